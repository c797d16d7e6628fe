"""Wide JSON: ``{"system", "time", "values": {"entity|metric": v, ...}}``, or flat with the values beside the time."""

from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from headwater.streaming import records
from headwater.streaming.columns import Columns
from headwater.streaming.errors import BadRecord
from headwater.streaming.records import Position, Sample

from .fields import Time, checked, load, moment, printable

__all__ = ["Wide"]

_NAMES = 256  # sets of columns remembered
_RESERVED = ("time", "timestamp", "system")


class _Nested(msgspec.Struct):
    values: dict[str, float | None] | UnsetType = UNSET
    time: Time = UNSET
    timestamp: Time = UNSET
    system: str = ""


class Wide:
    """Decoder of wide records.

    Parameters
    ----------
    columns
        Reads the names of the values; its system is that of records that name none.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._nested = msgspec.json.Decoder(_Nested)
        self._flat = msgspec.json.Decoder(dict[str, float | str | None])
        self._any = msgspec.json.Decoder(dict[str, Any])
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __call__(self, raw: bytes, _position: Position, broker: float | None) -> list[Sample | records.Wide]:
        """Decode one record."""
        try:
            record = load(self._nested, raw)
        except BadRecord as error:
            raise self._explained(raw, error) from None
        if isinstance(record.values, dict):
            return [self._wide(record.system, moment(record.time, record.timestamp, broker), record.values)]
        time = moment(record.time, record.timestamp, broker)
        values = self._measured(raw)
        if not values:
            raise BadRecord("missing field: values, or a field that holds a number")
        return [self._wide(record.system, time, values)]

    def _measured(self, raw: bytes) -> dict[str, float | None]:
        """Fields of a flat record that are measurements; texts and objects beside them describe it."""
        try:
            fields: dict[str, Any] = load(self._flat, raw)
        except BadRecord:
            fields = load(self._any, raw)
        values = {}
        for name, value in fields.items():
            if value is None or type(value) is float or type(value) is int:
                values[name] = value
            elif self.columns.reads(name):
                raise BadRecord(f"wrong type: field {printable(name)} is {printable(value)}, not a number")
        for name in _RESERVED:
            values.pop(name, None)
        return values

    def _wide(self, system: str, time: float, values: dict[str, float | None]) -> records.Wide:
        columns = tuple(values)
        names = self._names.get(columns)
        if names is None:
            names = self._resolved(columns)
        numbers = np.array(list(values.values()), np.float64)
        return records.Wide(checked("system", system) if system else self.columns.system, time, names, numbers)

    def _resolved(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Names of columns; the same tuple for the same columns, so that the aligner knows them by identity."""
        names = tuple(checked("field", self.columns.name(checked("field", column))) for column in columns)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise BadRecord(f"two fields are both named {twice!r}")
        if len(self._names) >= _NAMES:
            self._names.clear()
        self._names[columns] = names
        return names

    def _explained(self, raw: bytes, error: BadRecord) -> BadRecord:
        """Name the value that is of the wrong type: the JSON library only says that there is one."""
        if "$.values[" not in error.what:
            return error
        values = load(self._any, raw)["values"]
        name, value = next((n, v) for n, v in values.items() if isinstance(v, bool | str | list | dict))
        return BadRecord(f"wrong type: field {printable(name)} is {printable(value)}, not a number")
