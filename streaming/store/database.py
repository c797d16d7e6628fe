"""Connections to the store's file, for writing and for reading, and what can be wrong with them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.schema import CreateColumn

from headwater.streaming.errors import StoreError, StoreFull, StoreLocked, StoreMissing, StoreNewer

from .schema import SCHEMA_VERSION, meta, metadata

__all__ = [
    "check_version",
    "existing",
    "path_of",
    "reading_engine",
    "require_version",
    "spoken",
    "widen",
    "writing_engine",
]

_MEND = "write sqlite:///headwater.db for a file, sqlite:// for memory"


def path_of(url: str) -> Path | None:
    """File of a store's address; None for one in memory.

    Examples
    --------
    >>> path_of("sqlite:///headwater.db")
    PosixPath('headwater.db')
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no address of a store", "it is not a URL", _MEND) from error
    if parsed.get_backend_name() != "sqlite":
        name = parsed.render_as_string(hide_password=True)
        raise StoreError(f"cannot use {name}", "this release keeps its store in SQLite", _MEND)
    return None if parsed.database in (None, "", ":memory:") else Path(str(parsed.database))


def existing(url: str) -> Path:
    """File of a store that must be there already.

    Raises
    ------
    StoreMissing
        If it is not.
    """
    path = path_of(url)
    if path is None:
        raise StoreMissing("a store in memory is known to its worker only", "", _MEND)
    if not path.is_file():
        mend = "name it with --store URL, or let `headwater run` or `headwater demo` make one"
        raise StoreMissing(f"no store at {path}", "the file does not exist", mend)
    return path


@contextmanager
def spoken(path: Path | None) -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_FULL:
            mend = "free some space, or lower [retention] max_size; the worker goes on from its last commit"
            raise StoreFull(f"no space left for {path}", "nothing of the last batch was kept", mend) from error
        if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreLocked(f"{path} is busy", str(error.orig), "close what else writes to it") from error
        mend = "check the disk and the file's permissions, or start with another store"
        raise StoreError(f"the store {path} cannot be used", str(error.orig), mend) from error


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")  # the driver's own rules would leave reads outside of transactions


def writing_engine(path: Path | None, *, wait: float, checkpoints: bool = True) -> Engine:
    """One connection that writes: WAL, every commit on disk before it returns.

    `checkpoints` says whether it also moves the log into the file; only the worker does.
    """
    url = URL.create("sqlite", database=str(path) if path else None)
    arguments = {"timeout": wait, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(url, poolclass=StaticPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        for pragma in (
            "auto_vacuum = incremental",  # counts only before the first table, and before WAL
            "journal_mode = wal",
            "synchronous = full",
            f"wal_autocheckpoint = {1000 if checkpoints else 0}",
            "journal_size_limit = 67108864",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    event.listen(engine, "begin", _begin)
    return engine


def reading_engine(path: Path) -> Engine:
    """Connections that cannot write, a new one for each use: a file that was replaced is noticed."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    return engine


def check_version(connection: Connection, path: Path | None) -> bool:
    """Tell whether the store's tables are there.

    Raises
    ------
    StoreNewer
        If a newer headwater made them.
    StoreError
        If the file belongs to another program.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return False
    found = None
    if meta.name in tables:
        found = connection.scalar(select(meta.c.value).where(meta.c.key == "schema_version"))
    if found is None:
        why = f"it has the tables {', '.join(sorted(tables)[:3])} of another program"
        raise StoreError(f"{path} is no store of headwater", why, "name another file with --store")
    if int(found) > SCHEMA_VERSION:
        why = f"its schema is version {found}, this release reads up to {SCHEMA_VERSION}"
        raise StoreNewer(f"{path} was written by a newer headwater", why, "upgrade headwater, or use another store")
    return True


def widen(connection: Connection) -> None:
    """Add columns that an earlier release of this version did not have yet."""
    for table in metadata.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                line = f'ALTER TABLE "{table.name}" ADD COLUMN {CreateColumn(column).compile(connection.engine)}'
                connection.exec_driver_sql(line)


def require_version(connection: Connection, path: Path | None) -> None:
    """Check the version of a store that a worker must have made.

    Raises
    ------
    StoreMissing
        If there are no tables yet.
    """
    if not check_version(connection, path):
        raise StoreMissing(f"no store at {path}", "the file is empty", "start a worker on it first")
