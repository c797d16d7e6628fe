"""The format of each record by its fields, for topics that hold several, and for users who need not know."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from headwater.streaming.records import Position, Sample, Wide

from .fields import Decoder, load

__all__ = ["Detect"]


class _Fields(msgspec.Struct):
    entity: Raw | UnsetType = UNSET
    metric: Raw | UnsetType = UNSET
    samples: Raw | UnsetType = UNSET
    values: Raw | UnsetType = UNSET
    labels: Raw | UnsetType = UNSET


class Detect:
    """Hand each record to the decoder that its fields ask for.

    A list, ``samples``, or ``entity`` and ``metric``: long. ``values``: wide. ``labels``: prometheus. None of
    these: wide and flat.
    """

    def __init__(self, *, long: Decoder, wide: Decoder, prometheus: Decoder) -> None:
        self.long = long
        self.wide = wide
        self.prometheus = prometheus
        self._fields = msgspec.json.Decoder(_Fields)

    def __call__(self, raw: bytes, position: Position, broker: float | None) -> list[Sample | Wide]:
        """Decode one record."""
        return self.choose(raw)(raw, position, broker)

    def choose(self, raw: bytes) -> Decoder:
        """Decoder for a record."""
        if raw.lstrip()[:1] == b"[":
            return self.long
        fields = load(self._fields, raw)
        if fields.samples is not UNSET or fields.entity is not UNSET or fields.metric is not UNSET:
            return self.long
        if fields.values is not UNSET:
            return self.wide
        return self.prometheus if fields.labels is not UNSET else self.wide
