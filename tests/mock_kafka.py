"""A Kafka broker inside the test process: librdkafka's mock cluster, out of the confluent-kafka wheel, by ctypes.

It starts in milliseconds, listens on loopback, and does on demand what a real broker does only by accident: go
away, answer late, refuse requests, forget records. It keeps 5 MiB a partition, in memory, and has no admin calls.
"""

import ctypes
from importlib.metadata import files
from typing import Any, ClassVar

__all__ = ["FETCH", "NOT_LEADER", "PRODUCE", "MockCluster"]

PRODUCE, FETCH = 0, 1  # API keys
NOT_LEADER = 6  # an error code
_PREFIX = "rd_kafka_mock_"


def _bundled_library() -> ctypes.CDLL:
    bundled = [file for file in files("confluent-kafka") or [] if file.name.startswith("librdkafka")]
    return ctypes.CDLL(str(bundled[0].locate()))


class MockCluster:
    """A context manager: one broker at `address`."""

    client: ClassVar[dict[str, Any]] = {"api_version": (2, 3)}
    """Option every kafka-python client needs here: the mock answers newer version requests in a broken way."""

    def __init__(self) -> None:
        self._library = _bundled_library()
        configuration = ctypes.c_void_p(self._call("rd_kafka_conf_new", result=ctypes.c_void_p))
        reason = ctypes.create_string_buffer(256)
        quiet = (b"log_level", b"0", reason, ctypes.c_size_t(256))
        self._call("rd_kafka_conf_set", configuration, *quiet, result=ctypes.c_int)
        handle = self._call("rd_kafka_new", 0, configuration, reason, ctypes.c_size_t(256), result=ctypes.c_void_p)
        if not handle:
            raise RuntimeError(reason.value.decode())
        self._handle = ctypes.c_void_p(handle)
        new = self._call(_PREFIX + "cluster_new", self._handle, 1, result=ctypes.c_void_p)
        self._cluster = ctypes.c_void_p(new)
        self.address = self._call(_PREFIX + "cluster_bootstraps", self._cluster, result=ctypes.c_char_p).decode()

    def __enter__(self) -> "MockCluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._call(_PREFIX + "cluster_destroy", self._cluster, result=None)
        self._call("rd_kafka_destroy", self._handle, result=None)

    def create(self, topic: str, partitions: int = 1) -> None:
        """Make a topic."""
        self._do("topic_create", topic.encode(), partitions, 1)

    def forget(self, topic: str, before: int, partition: int = 0) -> None:
        """Delete the records of a partition before an offset, as retention does."""
        self._do("partition_delete_records", topic.encode(), partition, ctypes.c_int64(before))

    def go_away(self) -> None:
        """Close all connections and refuse new ones."""
        self._do("broker_set_down", 1)

    def come_back(self) -> None:
        """Accept connections again."""
        self._do("broker_set_up", 1)

    def answer_after(self, milliseconds: int) -> None:
        """Take so long for each request."""
        self._do("broker_set_rtt", 1, milliseconds)

    def refuse(self, api: int, *codes: int) -> None:
        """Answer the next requests of kind `api` with these error codes, one each."""
        array = (ctypes.c_int * len(codes))(*codes)
        name = _PREFIX + "push_request_errors_array"
        self._call(name, self._cluster, ctypes.c_int16(api), ctypes.c_size_t(len(codes)), array, result=None)

    def relent(self, api: int) -> None:
        """Refuse requests of kind `api` no longer."""
        self._call(_PREFIX + "clear_request_errors", self._cluster, ctypes.c_int16(api), result=None)

    def _do(self, name: str, *arguments: Any) -> None:
        error = self._call(_PREFIX + name, self._cluster, *arguments, result=ctypes.c_int)
        if error:
            raise RuntimeError(f"{name}: error {error}")

    def _call(self, name: str, *arguments: Any, result: Any) -> Any:
        function = getattr(self._library, name)
        function.restype = result
        return function(*arguments)
