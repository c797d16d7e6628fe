"""A stream in memory, a change in it, and the ranking of where it started. No Kafka, no store, no settings file.

Run: python examples/replay_incident.py
"""

import numpy as np

from headwater.streaming.monitor import AlignConfig, Monitor
from headwater.streaming.pipeline_config import PipelineConfig
from headwater.streaming.records import Arrival, Changed, Position, Ranked, Wide

START = 1_700_000_000.0
BASE, QUIET, ROWS = 240, 300, 360  # rows of the base; the fault begins at QUIET
NAMES = ("cart|cpu", "cart|latency_s", "shop|cpu", "shop|latency_s", "db|cpu", "db|latency_s")


def rows() -> np.ndarray:
    """Three services at 1 Hz: shop calls cart, cart calls db. From row `QUIET` on, the cpu of db is short."""
    X = np.random.default_rng(5).normal(scale=0.05, size=(ROWS, len(NAMES))) + 1.0
    X[QUIET:, 4] += 2.0  # db|cpu
    X[QUIET + 1 :, 5] += 2.0  # what its callers wait for, one row later
    X[QUIET + 2 :, 1] += 2.0
    X[QUIET + 3 :, 3] += 2.0
    return X


def main() -> list[str]:
    """Watch the stream and print what happens; returns the services, most suspect first."""
    pipeline = PipelineConfig(
        system="",  # each system of the stream gets its own
        base_rows=BASE,
        kpi=(("shop|latency_s", "up"),),
        on_kpi=True,
        edges=(("shop", "cart"), ("cart", "db")),
    )
    monitor = Monitor(AlignConfig(step=1.0), pipeline)
    monitor.assign([("memory", 0)])
    services: list[str] = []
    for k, row in enumerate(rows()):
        arrival = Arrival(Position("memory", 0, k), Wide("shop", START + k, NAMES, row))
        for event in monitor.push([arrival]):
            at = f"row {event.time - START:.0f}"
            if isinstance(event, Changed) and event.action == "opened":
                print(f"{at}: {event.incident.id} opened, onset at row {event.incident.onset - START:.0f}")
            elif isinstance(event, Ranked):
                services = [suspect.entity for suspect in event.services]
                print(f"{at}: batch {event.batch} {event.rca}: {services[0]}, by {event.services[0].metric}")
    return services


if __name__ == "__main__":
    print("most suspect first:", ", ".join(main()))
