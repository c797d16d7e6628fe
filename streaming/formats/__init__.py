"""One decoder a wire format: bytes in, samples out, or a `BadRecord` with the reason why not."""

from headwater.streaming.columns import Columns

from .detect import Detect
from .fields import Decoder
from .long import Long
from .prometheus import Prometheus
from .wide import Wide

__all__ = ["Decoder", "decoder"]


def decoder(
    name: str,
    *,
    columns: Columns,
    entity_labels: tuple[str, ...] = ("pod", "service", "instance", "job"),
) -> Decoder:
    """Build the decoder of a format.

    Parameters
    ----------
    name
        ``long``, ``wide``, ``prometheus``, or ``auto``, which looks at the fields of each record.
    columns
        Reads the names of wide records; its system is that of records that name none.
    entity_labels
        Labels of a Prometheus series that may name its entity; the first one present does.

    Raises
    ------
    ValueError
        If there is no such format.

    Examples
    --------
    >>> from headwater.streaming.records import Position
    >>> decode = decoder("auto", columns=Columns("shop"))
    >>> decode(b'{"entity": "cart", "metric": "cpu", "time": 1e9, "value": 0.5}', Position("metrics", 0, 0), None)
    [Sample(system='shop', entity='cart', metric='cpu', time=1000000000.0, value=0.5, kind=None, unit='')]
    """
    long, wide = Long(columns.system), Wide(columns)
    prometheus = Prometheus(columns.system, entity_labels)
    known: dict[str, Decoder] = {
        "auto": Detect(long=long, wide=wide, prometheus=prometheus),
        "long": long,
        "wide": wide,
        "prometheus": prometheus,
    }
    if name not in known:
        raise ValueError(f"there is no format {name!r}; write one of {', '.join(known)}")
    return known[name]
