"""What a name tells: whose a metric is, what it is to its owner, and who calls whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.causal.columns import Role, describe, role_of

ROLES = {
    Role.INTERNAL: ["cpu_util", "MemoryUsageRate(%)", "gpu_util", "disk_queue", "gc_pause", "rtt_ms", "kv_usage", ""],
    Role.LATENCY: ["PodClientLatencyP99(s)", "ttft_s", "latency", "p99_ms", "request_duration_seconds", "itl"],
    Role.AVAILABILITY: ["errors_per_s", "PodSuccessRate(%)", "http_5xx", "availability", "rejected"],
    Role.WORKLOAD: ["requests_per_s", "qps", "tokens_per_s", "throughput", "PodWorkload(Ops)"],
    Role.SATURATION: ["queue_len", "pending", "in_flight", "requests_waiting", "connections"],
    Role.SHARED: ["NodeCpuUsageRate(%)", "node_load1"],
}


@pytest.mark.parametrize(("role", "metric"), [(role, name) for role, names in ROLES.items() for name in names])
def test_a_name_tells_the_role(role, metric):
    assert role_of(metric) == role
    assert role_of(metric.upper()) == role


def test_owners_and_types():
    columns = describe(["a|cpu", "a|latency", "b|cpu", "__front__|latency", "edge:a>b|latency", "edge:b>c|errors"])
    assert columns.services == ("a", "b", "c")
    assert columns.owner.tolist() == [0, 0, 1, -1, 1, 2]
    assert columns.types.tolist() == [0, 1, 0, 1, 1, 2]
    assert columns.calls.tolist() == [[False, True, False], [False, False, True], [False, False, False]]


def test_named_calls_join_those_of_columns_and_strangers_are_left_out():
    calls = describe(["a|cpu", "b|cpu"], [("a", "b"), ("b", "b"), ("a", "nobody")]).calls
    assert calls.tolist() == [[False, True], [False, False]]


def test_which_way_is_bad():
    assert describe(["a|latency", "a|success_rate", "a|availability"]).bad.tolist() == [1, -1, -1]


def test_a_metric_may_hold_a_bar():
    assert describe(["a|latency|p99"]).roles.tolist() == [Role.LATENCY]
    assert describe(["no_entity"]).services == ("no_entity",)


def test_nothing_is_a_description_too():
    none = describe([])
    assert none.services == none.names == ()
    assert none.calls.shape == (0, 0)


@given(
    st.lists(st.text(max_size=12), max_size=8),
    st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=4),
)
def test_any_names_can_be_described(names, edges):
    columns = describe(names, edges)
    assert len(columns.owner) == len(columns.types) == len(columns.roles) == len(columns.bad) == len(names)
    assert ((columns.owner >= -1) & (columns.owner < len(columns.services))).all()
    assert set(columns.owner[columns.owner >= 0]) == set(range(len(columns.services)))
    assert not np.diagonal(columns.calls).any()
