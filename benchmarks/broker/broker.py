"""A real Apache Kafka on this machine for tests and benchmarks: one node in KRaft mode, from Maven artifacts.

The jars (46, 43 MB) are kept in ``.cache/kafka``. ``HEADWATER_TEST_BROKER=host:port`` names a running broker
instead; tests that stop the broker, read its files or log in to it are then skipped.
"""

import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from headwater.benchmarks.broker.certificates import make_certificates

__all__ = ["PASSWORD", "USER", "Broker", "BrokerUnavailable"]

USER = "app"
PASSWORD = "right-password"
_HERE = Path(__file__).parent
_CACHE = _HERE.parents[1] / ".cache" / "kafka"
_JAVA = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class BrokerUnavailable(Exception):  # noqa: N818  (it says what is wrong)
    """There is no broker and none can be started here. The text is one line with the mend."""


class Broker:
    """A context manager. `plain` is its address; if `owned`, there are three more.

    `login` wants SASL_SSL with SCRAM-SHA-512, `USER` and `PASSWORD`; its certificate is signed by `ca`.
    `expired` is a TLS listener whose certificate has run out. `lost` answers, and then sends clients to a host
    that does not exist, as a broker in a container does whose advertised.listeners were forgotten.
    """

    def __init__(self) -> None:
        self.plain = os.environ.get("HEADWATER_TEST_BROKER", "")
        self.owned = not self.plain
        self.login = self.expired = self.lost = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: Any = None

    def __enter__(self) -> "Broker":
        if self.owned:
            self._jars = _jars()
            self._directory = Path(tempfile.mkdtemp(prefix="headwater-kafka-"))
            make_certificates(self._directory)
            self._format()
            self.start()
        self._admin = KafkaAdminClient(bootstrap_servers=self.plain, reconnect_backoff_max_ms=1000)
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()
        if self.owned:
            self.stop()
            shutil.rmtree(self._directory)

    @property
    def ca(self) -> str:
        """Path of the authority's certificate."""
        return str(self._directory / "ca.pem")

    @property
    def stranger(self) -> str:
        """Path of an authority's certificate that signed nothing here."""
        return str(self._directory / "stranger.pem")

    def start(self) -> None:
        """Start the node and wait until it answers."""
        command = [*_JAVA, f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}", "kafka.Kafka"]
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._java(*command, "server.properties"),
                cwd=self._directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal must not end the broker before the tests
            )
        self._wait(60.0)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the node, with SIGKILL if `how` says so, and wait until the process is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(30)

    def kill(self) -> None:
        """``kill -9``."""
        self.stop(signal.SIGKILL)

    def create(self, topic: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic under a fresh name that starts with `topic`, wait for it, and return the name."""
        name = f"{topic}-{uuid.uuid4().hex[:8]}"
        self.create_as(name, partitions, config)
        return name

    def create_as(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic under exactly this name and wait for it.

        Recordings carry the times at which they were taken, so the broker would soon delete them for their age:
        unless `config` says so, it keeps them.
        """
        known = {"retention.ms": "-1", **(config or {})}
        self._admin.create_topics([NewTopic(name, partitions, 1, topic_configs=known)])
        self._admin.wait_for_topics([name])

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        self._admin.delete_topics([topic])

    @property
    def admin(self) -> Any:
        """kafka-python's admin client, connected to `plain`."""
        return self._admin

    def segment(self, topic: str, partition: int = 0) -> Path:
        """Return the newest log segment of a partition, to damage it."""
        return max((self._directory / "data" / f"{topic}-{partition}").glob("*.log"))

    def _format(self) -> None:
        ports = _free_ports("controller", "plain", "login", "expired", "lost")
        self.plain, self.lost = f"127.0.0.1:{ports['plain']}", f"127.0.0.1:{ports['lost']}"
        self.login, self.expired = f"localhost:{ports['login']}", f"localhost:{ports['expired']}"
        template = (_HERE / "server.properties").read_text()
        for word, value in {**ports, "directory": self._directory}.items():
            template = template.replace(f"{{{word}}}", str(value))
        (self._directory / "server.properties").write_text(template)
        # The first bytes are fixed: an identity that begins with "-" would be read as an option, once in 64 starts.
        identity = base64.urlsafe_b64encode(b"hw" + uuid.uuid4().bytes[2:]).decode().rstrip("=")
        user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        command = ["kafka.tools.StorageTool", "format", "--standalone", "-t", identity, "-c", "server.properties"]
        subprocess.run(self._java(*command, "--add-scram", user), cwd=self._directory, check=True, capture_output=True)

    def _java(self, *arguments: str) -> list[str]:
        return ["java", "-cp", f"{self._jars}/*", *arguments]

    def _wait(self, seconds: float) -> None:
        host, port = self.plain.split(":")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0 and self._answers():
                    return
            time.sleep(0.1)
        raise RuntimeError("the broker did not start:\n" + (self._directory / "broker.log").read_text()[-2000:])

    def _answers(self) -> bool:
        """After a restart the admin client needs a moment to find the broker again."""
        try:
            return self._admin is None or bool(self._admin.describe_cluster())
        except KafkaError:
            return False


def _jars() -> Path:
    """Return the folder with the broker's jars; fetch them with Maven if this pom.xml was never fetched."""
    if shutil.which("java") is None:
        raise BrokerUnavailable("no java: install Java 17 or later, or set HEADWATER_TEST_BROKER=host:port")
    folder = _CACHE / hashlib.sha256((_HERE / "pom.xml").read_bytes()).hexdigest()[:12]
    if not folder.exists():
        if shutil.which("mvn") is None:
            raise BrokerUnavailable("no mvn: install Maven once, or set HEADWATER_TEST_BROKER=host:port")
        _CACHE.mkdir(parents=True, exist_ok=True)
        fetched = Path(tempfile.mkdtemp(dir=_CACHE))
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"]
        done = subprocess.run(command, cwd=_HERE, check=False, capture_output=True, text=True)
        if done.returncode:
            raise BrokerUnavailable(f"Maven could not fetch the broker: {done.stdout.strip().splitlines()[0]}")
        fetched.rename(folder)  # complete or not there, even if two test runs fetch at once
    return folder


def _free_ports(*names: str) -> dict[str, int]:
    sockets = [socket.socket() for _ in names]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    return ports
