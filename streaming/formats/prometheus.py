"""JSON of the prometheus-kafka-adapter (remote write → Kafka): value and timestamp are texts, the kind is not told."""

import msgspec
from msgspec import UNSET

from headwater.streaming.columns import prometheus_kind
from headwater.streaming.errors import BadRecord
from headwater.streaming.records import Position, Sample, Wide

from .fields import Time, checked, load, moment, reading

__all__ = ["Prometheus"]


class _Record(msgspec.Struct):
    name: str
    value: float | str | None
    labels: dict[str, str] = {}
    timestamp: Time = UNSET


class Prometheus:
    """Decoder of adapter records.

    The metric is the name with all labels but the entity's, sorted: one record cannot tell which of them
    distinguish a series, and leaving one out would merge two.

    Parameters
    ----------
    system
        System of all samples; without any entity label it is their entity too.
    entity_labels
        Labels that may name the entity, the first one present does.

    Examples
    --------
    >>> raw = b'''{"timestamp": "2026-11-22T13:00:00Z", "value": "12.5", "name": "cpu_seconds_total",
    ...            "labels": {"__name__": "cpu_seconds_total", "mode": "user", "instance": "a:9100", "cpu": "3"}}'''
    >>> Prometheus("shop", ("pod", "instance"))(raw, Position("metrics", 0, 0), None)  # doctest: +ELLIPSIS
    [Sample(system='shop', entity='a:9100', metric='cpu_seconds_total{cpu="3",mode="user"}', ...'counter', unit='')]
    """

    def __init__(self, system: str, entity_labels: tuple[str, ...]) -> None:
        self.system = system
        self.entity_labels = entity_labels
        self._decoder = msgspec.json.Decoder(_Record)

    def __call__(self, raw: bytes, _position: Position, broker: float | None) -> list[Sample | Wide]:
        """Decode one record."""
        record = load(self._decoder, raw)
        if record.timestamp is UNSET:
            raise BadRecord("missing field: timestamp")
        time = moment(UNSET, record.timestamp, broker)
        name, labels = checked("name", record.name), record.labels
        label = next((label for label in self.entity_labels if labels.get(label)), "")
        entity = checked("entity", labels[label].replace("|", "/")) if label else self.system
        rest = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels) if key not in ("__name__", label))
        metric = checked("metric", f"{name}{{{rest}}}" if rest else name)
        return [Sample(self.system, entity, metric, time, reading(record.value), prometheus_kind(name))]
