"""Everything that can go wrong in a way a person can mend, with the exit code it ends the command with.

::

    HeadwaterError        1   what happened, why, what to do
    ├── SettingsError     2   a setting is wrong: names the key
    ├── InputError        2   a file or a column cannot be read
    ├── BrokerError       3   not reachable, refused the login, or the topic is missing
    ├── StoreError        3   the store cannot be used
    │   ├── StoreMissing      there is none at this address
    │   ├── StoreLocked       another worker writes it
    │   ├── StoreFull         the disk is full
    │   └── StoreNewer        written by a newer headwater
    ├── CommandRefused    1   the incident is in no state that allows it
    ├── BadRecord         1   one record cannot be read; becomes a dead letter and never leaves the loop
    └── BrokenInvariant  70   a defect of ours: stop before the checkpoint
"""

# ruff: noqa: N818  (the names say what is wrong; the base class says that it is an error)

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

__all__ = [
    "BadRecord",
    "BrokenInvariant",
    "BrokerError",
    "CommandRefused",
    "HeadwaterError",
    "InputError",
    "SettingsError",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoreMissing",
    "StoreNewer",
    "nearest",
]


class HeadwaterError(Exception):
    """An error with what happened, why, and what to do about it, one line each.

    Examples
    --------
    >>> print(StoreMissing("no store at headwater.db", "the file does not exist", "name one with --store URL"))
    no store at headwater.db
    the file does not exist
    name one with --store URL
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, why: str = "", mend: str = "") -> None:
        super().__init__(what, why, mend)
        self.what = what
        self.why = why
        self.mend = mend

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why, self.mend) if line)


class SettingsError(HeadwaterError):
    """A setting is wrong. `what` names the key."""

    exit_code = 2


class InputError(HeadwaterError):
    """A file, a column or an argument cannot be read."""

    exit_code = 2


class BrokerError(HeadwaterError):
    """The broker is not reachable, refuses the login, or lacks the topic."""

    exit_code = 3


class StoreError(HeadwaterError):
    """The store cannot be used."""

    exit_code = 3


class StoreMissing(StoreError):
    """There is no store at this address."""


class StoreLocked(StoreError):
    """Another worker writes this store, or it stayed busy for too long."""


class StoreFull(StoreError):
    """The disk is full; nothing of the batch was kept."""


class StoreNewer(StoreError):
    """The store was written by a newer headwater."""


class CommandRefused(HeadwaterError):
    """The incident is unknown, or in no state that allows the command."""


class BadRecord(HeadwaterError):
    """One record cannot be read. The source turns it into a dead letter with this reason."""


class BrokenInvariant(HeadwaterError):
    """A defect of ours. The worker stops before the checkpoint, so that nothing wrong is kept."""

    exit_code = 70


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the known word closest to `word`, or an empty string.

    Examples
    --------
    >>> nearest("quue_len", ["queue_len", "kv_usage"])
    "did you mean 'queue_len'?"
    >>> nearest("zebra", ["queue_len"])
    ''
    """
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""
