"""Constructing a client of kafka-python as the settings say, with one clear error if that fails."""

import logging
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaError

from .kafka_errors import check_files, diagnose, overheard
from .sections import SourceSection

__all__ = ["client_options", "connect"]

# In an outage the client logs several lines a second. Where nobody asked for logs, our alarms say it once.
logging.getLogger("kafka").addHandler(logging.NullHandler())


def client_options(section: SourceSection) -> dict[str, Any]:
    """Options that every client of kafka-python takes, as `section` says."""
    return {
        "bootstrap_servers": section.bootstrap_servers.split(","),
        "security_protocol": section.security_protocol,
        "sasl_mechanism": section.sasl_mechanism,
        "sasl_plain_username": section.username,
        "sasl_plain_password": section.secret(),
        "ssl_cafile": str(section.ca_file) if section.ca_file else None,
        "bootstrap_timeout_ms": int(section.bootstrap_timeout * 1000),
        "reconnect_backoff_max_ms": 1000,  # the default of 30 s adds as much to every outage
    }


def connect(section: SourceSection, client: Callable[..., Any], **options: Any) -> Any:
    """Construct a `client` of kafka-python for the broker of `section`.

    Raises
    ------
    BrokerError
        At most 5 s after ``bootstrap_timeout``: not reachable, wrong certificate, wrong kind of port, login refused.
    SettingsError
        If the password file or the CA file cannot be used.
    """
    check_files(section)
    known = client_options(section)
    with overheard() as said:
        try:
            return client(**{**known, **options})
        except (KafkaError, OSError, ValueError):
            raise diagnose(section, said) from None
