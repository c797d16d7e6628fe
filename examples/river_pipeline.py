"""TriggerPoint as the last step of a river pipeline: one dict a row, a score before it is learned.

Run: python examples/river_pipeline.py
"""

from collections.abc import Iterator

import numpy as np
from river import compose

from headwater.detectors import TriggerPoint

CHANGE = 700


def rows() -> Iterator[dict[str, float]]:
    """Three metrics at 1 Hz and a column that measures nothing; at `CHANGE` the queue grows."""
    rng = np.random.default_rng(3)
    for t in range(760):
        grown = 8.0 if t >= CHANGE else 0.0
        yield {
            "cpu": rng.normal(40, 2),
            "latency": rng.normal(0.2, 0.01),
            "queue": rng.normal(5, 1) + grown,
            "shard": 7.0,
        }


def main() -> int | None:
    """Feed the pipeline row by row; returns the first row whose score says alarm."""
    model = compose.Select("cpu", "latency", "queue") | TriggerPoint(base=600)
    for t, row in enumerate(rows()):
        if model.score_one(row) >= 1.0:  # 1 is the threshold, whatever the metrics' units
            return t
        model.learn_one(row)
    return None


if __name__ == "__main__":
    print(f"the queue grew at row {CHANGE}, noticed at row {main()}")
