"""Every way not to reach a broker ends in one clear error with the mend, in time, and without the password."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from headwater.benchmarks.broker.broker import PASSWORD, USER, Broker
from headwater.streaming.errors import BrokerError, HeadwaterError, SettingsError
from headwater.streaming.kafka.connect import connect
from headwater.streaming.kafka.errors import missing_topics, overheard
from headwater.streaming.kafka.source import KafkaSource
from tests.streaming.kafka_reading import number, section

WRONG = "wrong-password"
SCRAM = {"sasl_mechanism": "SCRAM-SHA-512", "username": USER}


def refusal(address: str, **settings: Any) -> HeadwaterError:
    started = time.monotonic()
    with pytest.raises(HeadwaterError) as caught:
        connect(section(address, **{"bootstrap_timeout": 1.0, **settings}), KafkaConsumer).close()
    assert time.monotonic() - started < 1 + 5, "10 s of bootstrap_timeout and 5 s are promised to be enough"
    return caught.value


def test_a_login_over_tls_works(secured: Broker) -> None:
    login = {"security_protocol": "SASL_SSL", "password": PASSWORD, "ca_file": secured.ca, **SCRAM}
    with closing(connect(section(secured.login, **login), KafkaConsumer)) as consumer:
        assert consumer.bootstrap_connected() is not None


@pytest.mark.parametrize(
    ("protocol", "more", "why", "mend"),
    [
        ("SASL_SSL", {"password": WRONG}, "refused the login of user 'app' by SCRAM-SHA-512", "username and password"),
        ("SASL_SSL", {"sasl_mechanism": "PLAIN"}, "no login by PLAIN", "one of: SCRAM-SHA-512"),
        ("SSL", {}, "wants a login", "security_protocol to SASL_SSL"),
        ("PLAINTEXT", {}, "speaks TLS, and this connection does not", "security_protocol to SSL"),
        ("SASL_PLAINTEXT", {}, "speaks TLS, and this connection does not", "security_protocol to SASL_SSL"),
        ("SASL_SSL", {"ca_file": "stranger"}, "self-signed certificate in certificate chain", "ca_file"),
    ],
)
def test_a_listener_with_tls_and_login(
    secured: Broker, protocol: str, more: dict[str, str], why: str, mend: str
) -> None:
    settings = {"security_protocol": protocol, "password": PASSWORD, "ca_file": secured.ca, **SCRAM, **more}
    if more.get("ca_file") == "stranger":
        settings["ca_file"] = secured.stranger
    error = refusal(secured.login, **settings)
    assert isinstance(error, BrokerError)
    assert error.what == f"cannot use the Kafka broker at {secured.login}"
    assert why in error.why
    assert mend in error.mend
    assert str(error).count("\n") == 2
    assert PASSWORD not in str(error)
    assert WRONG not in str(error)


@pytest.mark.parametrize(
    ("protocol", "why", "mend"),
    [
        ("SSL", "does not speak TLS", "security_protocol to PLAINTEXT"),
        ("SASL_SSL", "does not speak TLS", "security_protocol to SASL_PLAINTEXT"),
        ("SASL_PLAINTEXT", "takes no login", "security_protocol to PLAINTEXT"),
    ],
)
def test_a_listener_without_either(secured: Broker, protocol: str, why: str, mend: str) -> None:
    error = refusal(secured.plain, security_protocol=protocol, password=PASSWORD, ca_file=secured.ca, **SCRAM)
    assert (why in error.why, mend in error.mend) == (True, True), str(error)


def test_a_certificate_that_has_run_out(secured: Broker) -> None:
    error = refusal(secured.expired, security_protocol="SSL", ca_file=secured.ca)
    assert error.why == "the broker's certificate is refused: certificate has expired"
    assert "renew" in error.mend


def test_a_certificate_for_another_name(secured: Broker) -> None:
    address = secured.login.replace("localhost", "127.0.0.1")
    error = refusal(address, security_protocol="SSL", ca_file=secured.ca)
    assert "IP address mismatch" in error.why
    assert "not as '127.0.0.1'" in error.mend


@pytest.mark.parametrize("topic", ["metrics", "missing"])
def test_a_broker_that_gives_out_addresses_nobody_reaches(secured: Broker, topic: str) -> None:
    with pytest.raises(BrokerError, match="answered once, and then no more") as caught:
        KafkaSource(section(secured.lost, topic), number)
    assert "advertised.listeners" in caught.value.mend


def _closed_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def test_nothing_listens() -> None:
    address = _closed_port()
    error = refusal(address)
    assert error.why == f"nothing accepts connections at {address} (Connection refused)"
    assert error.exit_code == 3


def test_a_host_name_nobody_knows() -> None:
    error = refusal("no-such-host.invalid:9092")
    assert error.why == "the host name 'no-such-host.invalid' is not known"
    assert "bootstrap_servers" in error.mend


@pytest.mark.parametrize("address", ["localhost:nine", ":9092"])
def test_an_address_that_is_none(address: str) -> None:
    assert "is not host:port" in refusal(address).why


@pytest.fixture(params=[b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x0c\x00\x00\x00\x01" + b"\xff" * 8])
def stranger(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that is no Kafka: silent, a web server, one whose answers make no sense."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        lines: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                lines.append(line)
                if request.param:
                    line.sendall(request.param)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for line in lines:
            line.close()


def test_a_server_that_is_no_kafka(stranger: str) -> None:
    assert refusal(stranger).why == f"{stranger} does not answer like a Kafka broker"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    error = refusal(_closed_port(), security_protocol="SSL", ca_file=path)
    assert isinstance(error, SettingsError)
    assert str(path) in error.what


def test_a_password_file_that_is_missing(tmp_path: Path) -> None:
    password = {"security_protocol": "SASL_SSL", "password_file": tmp_path / "none", **SCRAM}
    assert isinstance(refusal(_closed_port(), **password), SettingsError)


def test_the_client_is_overheard_and_nobody_else_hears_it(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("kafka.net.manager")
    with overheard() as said:
        for n in range(100):
            logger.warning("warning %d", n)
        logger.info("the password is %s", PASSWORD)
    assert said == [f"warning {n}" for n in range(50, 100)]
    assert logging.getLogger("kafka").propagate
    assert capsys.readouterr() == ("", "")


def test_missing_topics_are_named_with_near_ones_and_not_too_many() -> None:
    error = missing_topics(["metric"], [f"t{n:02}" for n in range(20)] + ["metrics"])
    assert error.what == "the topic 'metric' does not exist"
    assert error.why.endswith("t07, t08, ...")
    assert error.mend.startswith("did you mean 'metrics'?")
    assert missing_topics(["b", "a"], []).what == "the topics 'a', 'b' do not exist"
