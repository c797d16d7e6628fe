"""Plain long JSON: one object a sample, a list of them, or ``{"samples": [...]}``."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from headwater.streaming.errors import BadRecord
from headwater.streaming.records import Kind, Position, Sample, Wide

from .fields import Time, checked, load, moment, reading

__all__ = ["Long"]


class _Item(msgspec.Struct):
    entity: str | UnsetType = UNSET
    metric: str | UnsetType = UNSET
    value: float | UnsetType | None = UNSET
    time: Time = UNSET
    timestamp: Time = UNSET
    system: str = ""
    kind: Literal["gauge", "counter", "delta"] | None = None
    unit: str = ""


class _Record(_Item):
    samples: list[_Item] | UnsetType = UNSET


class Long:
    """Decoder of long records.

    Parameters
    ----------
    system
        System of samples that name none.
    """

    def __init__(self, system: str) -> None:
        self.system = system
        self._one = msgspec.json.Decoder(_Record)
        self._list = msgspec.json.Decoder(list[_Item])

    def __call__(self, raw: bytes, _position: Position, broker: float | None) -> list[Sample | Wide]:
        """Decode one record; one bad sample makes the whole record bad."""
        if raw.lstrip()[:1] == b"[":
            return [self._sample(item, broker) for item in load(self._list, raw)]
        record = load(self._one, raw)
        if isinstance(record.samples, list):
            return [self._sample(item, broker) for item in record.samples]
        return [self._sample(record, broker)]

    def _sample(self, item: _Item, broker: float | None) -> Sample:
        entity, metric, value = item.entity, item.metric, item.value
        if entity is UNSET or metric is UNSET or value is UNSET:
            fields = {"entity": entity, "metric": metric, "value": value}
            raise BadRecord(f"missing field: {', '.join(name for name, given in fields.items() if given is UNSET)}")
        if "|" in checked("entity", entity):
            raise BadRecord(f"entity {entity!r} holds a bar, which separates entity and metric")
        system = checked("system", item.system) if item.system else self.system
        kind: Kind | None = item.kind
        time = moment(item.time, item.timestamp, broker)
        return Sample(system, entity, checked("metric", metric), time, reading(value), kind, item.unit)
