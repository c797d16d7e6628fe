"""What the tests of the store write: ticks, and a batch that touches every table."""

import numpy as np

from headwater.streaming.outbox import OutboxRow
from headwater.streaming.records import Changed, EvidenceWindow, Incident, Ranked, Series, Tick, Triggered
from headwater.streaming.store.batch import Answer, Batch
from headwater.streaming.suspects import Suspect


def tick(time: float, system: str = "shop", width: int = 2) -> Tick:
    return Tick(system, time, np.full(width, time, np.float32), np.zeros(width, np.float32), 0.25, 1.0)


def incident(**fields) -> Incident:
    known = {"state": "open", "rca": "collecting", "onset": 5.0, "opened": 6.0, "updated": 6.0}
    return Incident("shop", "INC-1", **{**known, **fields})


def batch(n: int) -> Batch:
    """A batch that touches every table that a batch can touch; `n` makes it differ from others."""
    time = float(n)
    suspect = Suspect("db", "io", 3.0, 1.5, value=float("nan"))
    return Batch(
        events=[
            tick(time),
            Triggered("shop", time, 0, time, "joint", 4.0, (("db|io", 1.0),), "INC-1"),
            Changed("shop", time, 1, "opened", incident(updated=time)),
            Ranked("shop", time, 2, "INC-1", n, (suspect,), (), (), ("db|io",), 0.5, 0.5, "provisional", 1.0),
        ],
        series={"shop": (Series("shop", "db", "io"), Series("shop", "web", f"latency{n}"))},
        evidence=[EvidenceWindow("shop", "INC-1", ("db|io",), np.array([time]), np.full((1, 1), time, np.float32))],
        snapshots={("shop", "trigger"): ("hash", b"learned %d" % n)},
        offsets={("metrics", 0): n},
        outbox=[OutboxRow(f"shop/{n}", "incidents", "shop", b"{}")],
        answers=[Answer(1, "applied", f"done {n}", time)],
        status={"worker": {"n": n}},
    )


def columns(system: str, width: int = 2) -> tuple[Series, ...]:
    return tuple(Series(system, "db", f"metric{n}") for n in range(width))
