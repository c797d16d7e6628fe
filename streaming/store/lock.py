"""Two locks beside a database file: one worker for its lifetime, one writer for the length of a transaction.

The second one is there because SQLite before 3.51.3 can, very rarely, damage a WAL database in which one
process writes at the instant another one moves the log into the file. The locks are ``flock``s: they end
with the process, however it ends. Network file systems need not honour them: keep the store on a local disk.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from headwater.streaming.errors import StoreError, StoreLocked

__all__ = ["sole_worker", "worker_running", "writing"]

_PAUSE = 0.01


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


def _acquire(path: Path, wait: float) -> IO[str] | None:
    """Take an exclusive lock on `path`, which ends when the file is closed; None after `wait` seconds in vain."""
    try:
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise StoreError(f"cannot write {path}", error.strerror or "", "choose a folder this user can write") from error
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() >= end:
                file.close()
                return None
            time.sleep(_PAUSE)


@contextmanager
def sole_worker(database: Path) -> Iterator[None]:
    """Be the one worker of `database`.

    Raises
    ------
    StoreLocked
        If there is another one; the message names its process.
    """
    path = _beside(database, ".lock")
    file = _acquire(path, wait=0.5)  # `worker_running` holds it for an instant, hence the patience
    if file is None:
        pid = path.read_text("ascii") or "unknown"
        raise StoreLocked(
            f"another worker (process {pid}) writes {database}",
            "a store has one worker at a time",
            f"stop it (kill {pid}), or give this one a store of its own (--store sqlite:///other.db)",
        )
    with file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def worker_running(database: Path) -> bool:
    """Tell whether a worker has `database` open."""
    try:
        file = _beside(database, ".lock").open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def writing(database: Path, *, wait: float) -> Iterator[None]:
    """Be the one that writes `database` now.

    Raises
    ------
    StoreLocked
        If another process has been writing for `wait` seconds.
    """
    file = _acquire(_beside(database, ".write.lock"), wait)
    if file is None:
        raise StoreLocked(f"{database} is busy", f"another process has been writing for {wait:g} s", "try again")
    with file:
        yield
