"""Which recording this is: told by its name and all of its bytes, also after it has grown at its end."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

__all__ = ["Content", "is_recording"]

_CHUNK = 1 << 20
_TOPIC = re.compile(r"(?P<name>.*)@(?P<size>\d+)-(?P<digest>[0-9a-f]{16})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a recording.

    Its start alone would not do: two runs of one system may differ only after an hour.
    """

    name: str
    size: int  # bytes
    digest: str  # of all of them
    path: Path | None = None  # None: stdin, which cannot be read twice

    @classmethod
    def read(cls, name: str, stream: BinaryIO, path: Path | None = None) -> Self:
        """Read a stream to its end."""
        return cls(name, *_digest(stream, None), path)

    @property
    def topic(self) -> str:
        """What the recording is called in positions and stored offsets; no topic of Kafka can have an ``@``.

        Examples
        --------
        >>> import io
        >>> Content.read("day.csv", io.BytesIO(b"t,a|b")).topic
        'day.csv@5-51447e11593bf0d3'
        """
        return f"{self.name}@{self.size}-{self.digest}"

    def continues(self, topic: str) -> bool:
        """Tell whether a stored topic is this recording, or is how it was before it grew at its end."""
        if topic == self.topic:
            return True
        known = _TOPIC.fullmatch(topic)
        if known is None or self.path is None or known["name"] != self.name or int(known["size"]) > self.size:
            return False
        with self.path.open("rb") as stream:
            return _digest(stream, int(known["size"]))[1] == known["digest"]


def _digest(stream: BinaryIO, limit: int | None) -> tuple[int, str]:
    """Size and digest of a stream, or of its first `limit` bytes."""
    digest, size = hashlib.blake2b(digest_size=8), 0
    while chunk := stream.read(_CHUNK if limit is None else min(_CHUNK, limit - size)):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def is_recording(topic: str) -> bool:
    """Tell whether a stored topic is a recording and none of Kafka's.

    Examples
    --------
    >>> is_recording("day.csv@5-51447e11593bf0d3"), is_recording("metrics")
    (True, False)
    """
    return _TOPIC.fullmatch(topic) is not None
