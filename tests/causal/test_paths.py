"""The path from a cause to the KPI, where the call graph leads and nothing was learned."""

import numpy as np
import pytest

from headwater.causal.columns import describe
from headwater.causal.paths import path_to

NAMES = ["front|latency_s", "cart|requests_per_s", "cart|queue_len", "db|latency_s", "db|disk_util"]
COLUMNS = describe(NAMES, edges=[("front", "cart"), ("cart", "db")])
NOTHING = np.zeros((5, 5))


@pytest.mark.parametrize(
    ("requests", "queue", "by"), [(2.0, 300.0, "cart|queue_len"), (300.0, 2.0, "cart|requests_per_s")]
)
def test_the_symptom_that_stands_out_in_a_service_is_on_the_path(requests: float, queue: float, by: str) -> None:
    abnormal = np.array([4000.0, requests, queue, 17.0, 11.0])
    path = [NAMES[j] for j in path_to(COLUMNS, NOTHING, abnormal, cause=4, goal=0)]
    assert path == ["db|disk_util", "db|latency_s", by, "front|latency_s"]


def test_a_learned_edge_outweighs_what_stands_out() -> None:
    learned = NOTHING.copy()
    learned[3, 1] = learned[1, 0] = 1.0
    path = path_to(COLUMNS, learned, np.array([4000.0, 2.0, 300.0, 17.0, 11.0]), cause=4, goal=0)
    assert [NAMES[j] for j in path][2] == "cart|requests_per_s"
