"""The two layouts of a table of measurements: wide (a column a series) and long (a row a sample)."""

from collections.abc import Iterable
from typing import Protocol, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headwater.streaming.columns import Columns
from headwater.streaming.errors import InputError
from headwater.streaming.records import Kind, Sample, Wide

__all__ = ["Layout", "LongTable", "WideTable", "layout_of"]


class Layout(Protocol):
    """Rows of a table in time order, ready to become words."""

    layout: str
    names: tuple[str, ...]  # entity|metric
    kinds: dict[str, Kind]  # where the table itself says one
    systems: tuple[str, ...]
    missing: float  # share of cells without a value
    left_out: dict[str, str]  # column → why

    def gaps(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gaps between the samples of one series, given the times of the rows."""
        ...

    def word(self, row: int, time: float) -> Sample | Wide:
        """Word of one row."""
        ...

    def growing(self) -> list[str]:
        """Names of series that only ever grow."""
        ...


class WideTable:
    """A row a time, a column a series. Columns that hold no numbers are left out, and so are empty ones.

    Raises
    ------
    InputError
        If no column holds numbers, or two are read as the same series.
    """

    layout = "wide"

    def __init__(self, frame: pl.DataFrame, time: str, columns: Columns, name: str) -> None:
        self.kinds: dict[str, Kind] = {}
        self.left_out: dict[str, str] = {}
        self._systems, self.systems, frame = _systems(frame, columns.system)
        kept = [column for column in frame.columns if column != time and self._holds_numbers(frame[column])]
        if not kept:
            raise InputError(f"{name} has no column that holds numbers", _reasons(self.left_out), "check the file")
        self.names = tuple(columns.name(column) for column in kept)
        seen: dict[str, str] = {}
        for column, series in zip(kept, self.names, strict=True):
            if seen.setdefault(series, column) != column:
                what = f"columns {seen[series]!r} and {column!r} of {name} are both read as {series!r}"
                raise InputError(what, "a series has one column", "set another [columns] pattern or mapping")
        self._X = np.ascontiguousarray(frame.select(pl.col(kept).cast(pl.Float64)).to_numpy())
        self.missing = float(np.isnan(self._X).mean())

    def _holds_numbers(self, column: pl.Series) -> bool:
        if column.null_count() == len(column):
            self.left_out[column.name] = "is empty"
        elif not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            self.left_out[column.name] = f"holds {column.dtype}, not numbers"
        return column.name not in self.left_out

    def gaps(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gaps between the rows."""
        return np.diff(seconds)

    def word(self, row: int, time: float) -> Wide:
        """Word of one row; all share one tuple of names."""
        return Wide(self._systems[row] if self._systems else self.systems[0], time, self.names, self._X[row])

    def growing(self) -> list[str]:
        """Names of series that only ever grow."""
        return [name for name, values in zip(self.names, self._X.T, strict=True) if _grows(values)]


class LongTable:
    """A row a sample: columns ``metric`` and ``value``, and, if there are, ``entity``, ``system``, ``kind``, ``unit``.

    Raises
    ------
    InputError
        If the values are no numbers, or a kind is none of the three.
    """

    layout = "long"

    def __init__(self, frame: pl.DataFrame, time: str, columns: Columns, name: str) -> None:
        used = {time, "entity", "metric", "value", "system", "kind", "unit"}
        self.left_out = {column: "is no part of a long table" for column in frame.columns if column not in used}
        self._systems, self.systems, frame = _systems(frame, columns.system)
        values = frame["value"].cast(pl.Float64, strict=False)
        if values.null_count() == len(values):
            why = f"it holds {frame['value'].dtype}"
            raise InputError(f"column 'value' of {name} holds no numbers", why, "check the file")
        self._values = values.fill_null(np.nan).to_numpy().copy()
        self.missing = float(np.isnan(self._values).mean())
        metrics = _texts(frame, "metric")
        entities = _texts(frame, "entity") if "entity" in frame.columns else [""] * len(metrics)
        self._names = [f"{e}|{m}" if e else columns.name(m) for e, m in zip(entities, metrics, strict=True)]
        self.names = tuple(dict.fromkeys(self._names))
        self._kinds = self._checked_kinds(_texts(frame, "kind") if "kind" in frame.columns else [], name)
        self.kinds = {series: kind for series, kind in zip(self._names, self._kinds, strict=False) if kind}
        self._units = _texts(frame, "unit") if "unit" in frame.columns else []

    def _checked_kinds(self, kinds: Iterable[str], name: str) -> list[Kind | None]:
        known: dict[str, Kind | None] = {"": None} | {kind: kind for kind in get_args(Kind)}
        try:
            return [known[kind] for kind in kinds]
        except KeyError as error:
            what = f"column 'kind' of {name} holds {error.args[0]!r}"
            raise InputError(what, "", f"write one of {', '.join(get_args(Kind))}") from None

    def gaps(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gaps between the samples of each series."""
        table = pl.DataFrame({"name": self._names, "time": seconds})
        return table.select(pl.col("time").diff().over("name")).to_series().drop_nulls().to_numpy()

    def word(self, row: int, time: float) -> Sample:
        """Word of one row."""
        entity, _, metric = self._names[row].partition("|")
        return Sample(
            system=self._systems[row] if self._systems else self.systems[0],
            entity=entity,
            metric=metric,
            time=time,
            value=float(self._values[row]),
            kind=self._kinds[row] if self._kinds else None,
            unit=self._units[row] if self._units else "",
        )

    def growing(self) -> list[str]:
        """Names of series that only ever grow."""
        table = pl.DataFrame({"name": self._names, "value": self._values})
        series = table.group_by("name", maintain_order=True).agg("value")
        return [name for name, values in series.iter_rows() if _grows(np.array(values, np.float64))]


def layout_of(frame: pl.DataFrame, time: str, columns: Columns, name: str) -> Layout:
    """Read a table whose rows are in time order: long if it has ``metric`` and ``value``, else wide."""
    long = {"metric", "value"} <= set(frame.columns)
    return (LongTable if long else WideTable)(frame, time, columns, name)


def _systems(frame: pl.DataFrame, default: str) -> tuple[list[str], tuple[str, ...], pl.DataFrame]:
    """System of each row (empty: all the default's), all of them, and the table without that column."""
    if "system" not in frame.columns or frame.schema["system"] != pl.String:
        return [], (default,), frame
    rows = [text or default for text in frame["system"]]
    return rows, tuple(dict.fromkeys(rows)), frame.drop("system")


def _texts(frame: pl.DataFrame, column: str) -> list[str]:
    return frame[column].cast(pl.String).fill_null("").to_list()


def _grows(values: NDArray[np.float64]) -> bool:
    steps = np.diff(values[np.isfinite(values)])
    return len(steps) >= 20 and bool(np.all(steps >= 0)) and bool(np.mean(steps > 0) > 0.5)


def _reasons(left_out: dict[str, str]) -> str:
    return "; ".join(f"{column!r} {why}" for column, why in list(left_out.items())[:4])
