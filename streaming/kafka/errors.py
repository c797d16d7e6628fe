"""Why a broker cannot be reached: one clear error instead of a time-out that says nothing.

The Kafka client raises the same time-out for a closed port, a wrong password and an expired certificate; what it
knows it only logs. So its log is overheard while it connects, and if it fails, a plain socket asks the broker.
"""

import logging
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from headwater.streaming.errors import BrokerError, SettingsError, nearest
from headwater.streaming.sections import SourceSection

__all__ = ["check_files", "diagnose", "missing_topics", "overheard"]

_PATIENCE = 2.0  # seconds a probe waits for each answer
_FINE, _OTHER_MECHANISM, _NO_LOGIN_HERE = 0, 33, 34  # answers to a SaslHandshake


class Finding(NamedTuple):
    """What a probe found wrong, and what to do about it."""

    why: str
    mend: str


def check_files(section: SourceSection) -> None:
    """Raise a `SettingsError` if the CA file holds no certificates; the client would only time out."""
    if section.ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=section.ca_file)
    except (OSError, ssl.SSLError) as error:
        why = "it holds no PEM certificates" if isinstance(error, ssl.SSLError) else str(error.strerror)
        mend = "name a PEM file with the certificate of the authority that signed the broker's"
        raise SettingsError(f"[source] ca_file: cannot use {section.ca_file}", why, mend) from None


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Collect the warnings of the Kafka client instead of showing them, newest last, 50 at most."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())
            del said[:-50]

    logger, ear = logging.getLogger("kafka"), Ear(logging.WARNING)
    before, logger.propagate = logger.propagate, False
    logger.addHandler(ear)
    try:
        yield said
    finally:
        logger.removeHandler(ear)
        logger.propagate = before


def missing_topics(wanted: Iterable[str], known: Iterable[str]) -> BrokerError:
    """Error for topics the broker does not have; names near ones."""
    known, wanted = sorted(known), sorted(wanted)
    hints = [hint for hint in (nearest(topic, known) for topic in wanted) if hint]
    there = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "") or "no topic at all"
    names, one = ", ".join(repr(topic) for topic in wanted), len(wanted) == 1
    mend = f"create {'it' if one else 'them'} (kafka-topics --create --topic {wanted[0]}) or correct the setting"
    return BrokerError(
        f"the topic {names} does not exist" if one else f"the topics {names} do not exist",
        f"the broker has: {there}",
        " ".join([*hints, mend]),
    )


def diagnose(section: SourceSection, said: list[str]) -> BrokerError:
    """Find out why no server of `section` can be used; `said` is what the client logged meanwhile.

    Takes at most 6 s for each server that does not answer, and stops at the first that shows a reason.
    """
    what = f"cannot use the Kafka broker at {section.bootstrap_servers}"
    finding = None
    for server in section.bootstrap_servers.split(",")[:2]:
        host, _, port = server.strip().rpartition(":") if ":" in server else (server.strip(), ":", "9092")
        if not host or not port.isdigit():
            return BrokerError(what, f"{server.strip()!r} is not host:port", "correct [source] bootstrap_servers")
        finding = finding or _probe(section, host.strip("[]"), int(port))
    if finding is None:
        why = said[-1] if said else "it answers a plain connection, but not the Kafka client"
        finding = Finding(why, "look at the broker's log, or allow more time with [source] bootstrap_timeout")
    return BrokerError(what, *finding)


def _probe(section: SourceSection, host: str, port: int) -> Finding | None:
    """Look at one server in the order in which a connection is made: name, port, TLS, login."""
    try:
        line: socket.socket = socket.create_connection((host, port), _PATIENCE)
    except socket.gaierror:
        return Finding(f"the host name {host!r} is not known", "correct [source] bootstrap_servers")
    except OSError as error:
        why = f"nothing accepts connections at {host}:{port} ({error.strerror or 'no answer'})"
        return Finding(why, "start the broker, or correct [source] bootstrap_servers")
    try:
        if section.security_protocol.endswith("SSL"):
            context = ssl.create_default_context(cafile=section.ca_file)
            line = context.wrap_socket(line, server_hostname=host)
        with closing(line):
            return _judge_login(section, _ask(line, section.sasl_mechanism or "PLAIN"), host, port)
    except ssl.SSLCertVerificationError as error:
        return _judge_certificate(error, host)
    except OSError as error:
        if _speaks(host, port, tls=False):
            mend = f"set [source] security_protocol to {section.security_protocol.replace('SSL', 'PLAINTEXT')}"
            return Finding(f"{host}:{port} does not speak TLS", mend)
        return Finding(f"no TLS connection to {host}:{port}: {error.strerror or error}", "look at the broker's log")
    finally:
        line.close()


def _judge_certificate(error: ssl.SSLCertVerificationError, host: str) -> Finding:
    why = f"the broker's certificate is refused: {error.verify_message.rstrip('.')}"
    if "expired" in error.verify_message or "not yet valid" in error.verify_message:
        return Finding(why, "renew the broker's certificate, or correct this machine's clock")
    if "mismatch" in error.verify_message:
        return Finding(why, f"name the broker as its certificate does, not as {host!r}")
    return Finding(why, "set [source] ca_file to the certificate of the authority that signed it")


def _judge_login(section: SourceSection, answer: tuple[int, list[str]] | None, host: str, port: int) -> Finding | None:
    protocol, wants_login = section.security_protocol, section.security_protocol.startswith("SASL")
    if answer is None:
        if not protocol.endswith("SSL") and _speaks(host, port, tls=True):
            mend = f"set [source] security_protocol to {protocol.replace('PLAINTEXT', 'SSL')}"
            return Finding(f"{host}:{port} speaks TLS, and this connection does not", mend)
        return Finding(f"{host}:{port} does not answer like a Kafka broker", "correct [source] bootstrap_servers")
    code, mechanisms = answer
    if not wants_login:
        mend = f"set [source] security_protocol to SASL_{protocol}, sasl_mechanism, username and password"
        return None if code == _NO_LOGIN_HERE else Finding(f"{host}:{port} wants a login", mend)
    if code == _NO_LOGIN_HERE:
        return Finding(f"{host}:{port} takes no login", f"set [source] security_protocol to {protocol[5:]}")
    if code == _OTHER_MECHANISM:
        offered = ", ".join(mechanisms)
        return Finding(f"no login by {section.sasl_mechanism}", f"set [source] sasl_mechanism to one of: {offered}")
    mend = "check [source] username and password (or password_file)"
    return Finding(f"the broker refused the login of user {section.username!r} by {section.sasl_mechanism}", mend)


def _ask(line: socket.socket, mechanism: str) -> tuple[int, list[str]] | None:
    """Send a SaslHandshake (v1) and return its error code and the mechanisms on offer; None if there is no answer.

    Every Kafka listener answers it, also one without login, and it needs no password.
    """
    line.settimeout(_PATIENCE)
    name, client = mechanism.encode(), b"headwater"
    request = struct.pack(f">hhih{len(client)}sh{len(name)}s", 17, 1, 1, len(client), client, len(name), name)
    try:
        line.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _receive(line, 4))
        if not 10 <= size <= 10_000:  # a TLS alert, read as a length, is far larger
            return None
        body = _receive(line, size)
        _, code, count = struct.unpack_from(">ihi", body)
        names, at = [], 10
        for _ in range(count):
            (length,) = struct.unpack_from(">h", body, at)
            names.append(body[at + 2 : at + 2 + length].decode())
            at += 2 + length
    except (OSError, struct.error, UnicodeDecodeError):
        return None
    return (code, names) if code in {_FINE, _OTHER_MECHANISM, _NO_LOGIN_HERE} else None


def _receive(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (part := line.recv(size - len(got))):
        got += part
    return got


def _speaks(host: str, port: int, *, tls: bool) -> bool:
    """Whether a listener of the other kind, with or without TLS, is behind the port."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent; only: is this TLS at all?
    try:
        with closing(socket.create_connection((host, port), _PATIENCE)) as line:
            if not tls:
                return _ask(line, "PLAIN") is not None
            context.wrap_socket(line, server_hostname=host).close()
            return True
    except OSError:
        return False
