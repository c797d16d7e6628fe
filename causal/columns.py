"""What the name of a metric tells a ranking: whose it is, of which type, and whether it is a cause or a symptom."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["SYMPTOMS", "Columns", "Role", "describe", "role_of", "with_calls"]


class Role(IntEnum):
    """What a metric is to the service that owns it."""

    INTERNAL = 0  # cpu, memory, disk, network, cache: what a fault acts on
    LATENCY = 1  # what callers see of it
    AVAILABILITY = 2
    WORKLOAD = 3
    SATURATION = 4  # requests that wait in it: for itself, or for one that it calls
    SHARED = 5  # of the host under it: no evidence for or against one of its services


SYMPTOMS = (Role.LATENCY, Role.AVAILABILITY)
"""What users notice."""

_ROLES = (  # the first pattern that is found decides
    (Role.SHARED, r"^node"),
    (Role.INTERNAL, r"disk|gpu|gc_|rtt"),
    (Role.SATURATION, r"queue|wait|pending|in_?flight|backlog|slots|running|threads_busy|connections"),
    (Role.LATENCY, r"latenc|duration|response_?time|ttft|first_byte|(^|_)p(50|9\d)(_|$)|inter_token|(^|_)itl"),
    (Role.AVAILABILITY, r"error|fail|success|availab|5xx|timeout|reject"),
    (Role.WORKLOAD, r"request|workload|(^|_)(rps|qps|ops)(_|$)|throughput|traffic|tokens?_per|calls|invocation"),
)
_FALLS = "success|availab|hit_?ra|clock|(^|_)(free|idle|uptime)(_|$)"  # what is bad when it falls


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one system as a ranking sees them; arrays are ``[d]``, services are numbered ``0 .. s-1``."""

    names: tuple[str, ...]  # entity|metric
    services: tuple[str, ...]
    owner: NDArray[np.int64]  # service of each column, -1: of none (a virtual front)
    types: NDArray[np.int64]  # equal for metrics of one type
    roles: NDArray[np.int64]  # Role
    bad: NDArray[np.int64]  # +1: up is bad, -1: down is bad
    calls: NDArray[np.bool_]  # [s, s], calls[a, b]: a calls b


def role_of(metric: str) -> Role:
    """Read the role from the metric's name; what matches nothing is internal.

    >>> [role_of(name).name for name in ("PodServerLatencyP90(s)", "cpu_util", "errors_per_s", "NodeCpuUsageRate(%)")]
    ['LATENCY', 'INTERNAL', 'AVAILABILITY', 'SHARED']
    """
    lowered = metric.lower()
    return next((role for role, pattern in _ROLES if re.search(pattern, lowered)), Role.INTERNAL)


def describe(names: Sequence[str], edges: Sequence[tuple[str, str]] = ()) -> Columns:
    """Describe the columns `names` (``entity|metric``).

    An entity ``edge:a>b`` belongs to b and says that a calls b; one that starts with ``__`` (a synthetic front)
    belongs to no service. `edges` are further ``(caller, callee)`` pairs.
    """
    split = [name.partition("|")[::2] for name in names]
    entities, metrics = [e for e, _ in split], [m for _, m in split]
    owners = [e.rpartition(">")[2] if e.startswith("edge:") else e for e in entities]
    services = tuple(dict.fromkeys(o for o in owners if not o.startswith("__")))
    number = {service: i for i, service in enumerate(services)}
    types = {metric: i for i, metric in enumerate(dict.fromkeys(metrics))}
    seen = [e.removeprefix("edge:").partition(">")[::2] for e in entities if e.startswith("edge:") and ">" in e]
    columns = Columns(
        names=tuple(names),
        services=services,
        owner=np.array([number.get(o, -1) for o in owners], np.int64),
        types=np.array([types[m] for m in metrics], np.int64),
        roles=np.array([role_of(m) for m in metrics], np.int64),
        bad=np.array([-1 if re.search(_FALLS, m.lower()) else 1 for m in metrics], np.int64),
        calls=np.zeros((len(services), len(services)), np.bool_),
    )
    return with_calls(columns, (*edges, *seen))


def with_calls(columns: Columns, calls: Sequence[tuple[str, str]]) -> Columns:
    """Add ``(caller, callee)`` pairs of services that the columns own; others say nothing and are passed over.

    >>> with_calls(describe(["a|cpu", "b|cpu"]), [("a", "b"), ("b", "x")]).calls.tolist()
    [[False, True], [False, False]]
    """
    if not calls:
        return columns
    number = {service: i for i, service in enumerate(columns.services)}
    more = columns.calls.copy()
    for caller, callee in calls:
        if caller in number and callee in number and caller != callee:
            more[number[caller], number[callee]] = True
    return replace(columns, calls=more)
