"""A file or stdin → a table. What polars says of a broken file becomes one clear error."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from headwater.streaming.errors import InputError

from .content import Content

__all__ = ["read_table"]

_MEND = "give a Parquet (.parquet), CSV (.csv) or JSON lines (.jsonl) file, or - for CSV or JSON lines on stdin"
_ABSENT = ["", "NA", "N/A", "null", "NULL", "None"]

Input = Path | io.BytesIO


def read_table(path: str) -> tuple[Content, pl.DataFrame]:
    """Read a table, and which recording it is.

    Parameters
    ----------
    path
        A file, or ``-`` for stdin.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or it has no rows.
    """
    if path == "-":
        data = sys.stdin.buffer.read()
        piped = _json if data.lstrip()[:1] in (b"{", b"[") else _csv
        return Content.read("stdin", io.BytesIO(data)), _checked("stdin", piped, io.BytesIO(data))
    file = Path(path)
    reader = next((reader for suffixes, reader in _READERS if file.name.lower().endswith(suffixes)), None)
    if reader is None:
        raise InputError(f"{path} is of a type that is not known", f"its name ends with {file.suffix!r}", _MEND)
    if not file.is_file():
        raise InputError(f"there is no file {path}", f"looked in {file.parent.absolute()}", "check the path")
    frame = _checked(path, reader, file)
    with file.open("rb") as stream:
        return Content.read(file.name, stream, file), frame


def _checked(name: str, reader: Callable[[Any], pl.DataFrame], source: Input) -> pl.DataFrame:
    try:
        frame = reader(source)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{name} cannot be read", reason, _MEND) from None
    if "values" in frame.columns and isinstance(frame.schema["values"], pl.Struct):
        frame = frame.unnest("values")
    if not frame.height:
        raise InputError(f"{name} has no rows", "there is nothing to work on", "check how it was written")
    return frame


def _csv(source: Input) -> pl.DataFrame:
    return pl.read_csv(source, try_parse_dates=True, infer_schema_length=None, null_values=_ABSENT)


def _json(source: Input) -> pl.DataFrame:
    """One object a line, or one list of objects; the first byte tells."""
    data = source.read_bytes() if isinstance(source, Path) else source.getvalue()
    if data.lstrip()[:1] == b"[":
        return pl.read_json(io.BytesIO(data), infer_schema_length=None)
    return pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)


_READERS: list[tuple[tuple[str, ...], Callable[[Any], pl.DataFrame]]] = [
    ((".parquet", ".pq"), pl.read_parquet),
    ((".csv", ".csv.gz"), _csv),
    ((".jsonl", ".ndjson", ".json"), _json),
]
