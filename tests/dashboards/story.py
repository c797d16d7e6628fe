"""A store with a story in it: half an hour of a small LLM service, one old incident and one that is open.

Written through the worker's own `Store`, so what the pages read is what a worker writes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headwater.streaming.records import Changed, Event, EvidenceWindow, Incident, Ranked, Series, Tick, Triggered
from headwater.streaming.store.writer import Batch, Store
from headwater.streaming.suspects import Edge, Hop, ServiceSuspect, Suspect

START = 1_764_000_000.0  # 2025-11-24 16:00:00 UTC
ROWS = 1800
ONSET = START + 1500
SYSTEM = "shop"
PATH = ("vllm-a|kv_cache_usage", "vllm-a|queue_len", "vllm-a|ttft_p95", "gateway|ttft_p95")
HOPS = (
    Hop(PATH[0], PATH[1], 0.82, 1, 0.9, "learned"),
    Hop(PATH[1], PATH[2], 0.4, 2, 0.6, "learned"),
    Hop(PATH[2], PATH[3], 0.0, 0, 0.35, "call"),
)
METRICS = {
    "gateway": (("requests", "req/s"), ("ttft_p95", "s"), ("errors", "req/s"), ("open_connections", "")),
    "router": (("queue_len", ""), ("decisions", "req/s"), ("cpu", "%")),
    "vllm-a": (("kv_cache_usage", ""), ("queue_len", ""), ("ttft_p95", "s"), ("tokens", "tok/s"), ("gpu_power", "W")),
    "vllm-b": (("kv_cache_usage", ""), ("queue_len", ""), ("ttft_p95", "s"), ("tokens", "tok/s"), ("gpu_power", "W")),
    "db": (("connections", ""), ("latency_p99", "ms"), ("disk_bytes", "B/s")),
    "cache": (("hit_share", ""), ("evictions", "1/s")),
}
USUAL = {"kv_cache_usage": 0.42, "queue_len": 3.0, "ttft_p95": 0.5, "tokens": 1850.0, "gpu_power": 240.0}
JUMP = {PATH[0]: (0, 9.0), PATH[1]: (8, 14.0), PATH[2]: (14, 20.0), PATH[3]: (20, 17.0), "vllm-b|queue_len": (35, 4.0)}

SERIES = tuple(Series(SYSTEM, entity, metric, unit=unit) for entity, all_ in METRICS.items() for metric, unit in all_)
NAMES = [s.name for s in SERIES]


def values() -> np.ndarray:
    """``float64[ROWS, d]``: level, a slow wave, noise, and from the onset on a ramp along the path."""
    random = np.random.default_rng(20261122)
    t = np.arange(ROWS)
    X = np.empty((ROWS, len(SERIES)))
    for j, series in enumerate(SERIES):
        level = USUAL.get(series.metric, 50.0)
        ripple = 0.35 * np.sin(2 * np.pi * (t / 600 + j / 7)) + random.normal(0, 0.6, ROWS)
        delay, height = JUMP.get(series.name, (0, 0.0))
        ramp = np.clip((t - 1500 - delay) / 20, 0, 1) * height
        X[:, j] = level * (1 + 0.06 * (ripple + ramp))
    X[700:712, NAMES.index("cache|evictions")] *= 1.6  # the bystander: a trigger, and no incident
    X[900:960, NAMES.index("db|disk_bytes")] = np.nan  # a metric that was silent for a minute
    return X


def scores(X: np.ndarray) -> np.ndarray:
    """Distance from usual over a threshold of six spreads, smoothed over five rows."""
    quiet = X[:1400]
    z = np.abs(X - np.nanmedian(quiet, axis=0)) / (6 * np.nanstd(quiet, axis=0))
    smooth = np.copy(z)
    for back in range(1, 5):
        smooth[back:] += z[:-back]
    return smooth / 5


def suspects(batch: int) -> tuple[Suspect, ...]:
    """The ranking of metrics: the router looks guilty at first, from the third batch on the KV cache leads."""
    lead = min(batch, 8) / 8
    table = [
        (PATH[0], 2.0 + 6.0 * lead, 8.4, 0.12, "", 0.46, 0.971, 0.42),
        (PATH[1], 2.2 + 1.6 * lead, 7.1, 0.81, PATH[0], 0.21, 5.5, 3.0),
        (PATH[2], 2.1 + 0.8 * lead, 9.3, 0.93, PATH[1], 0.14, 1.1, 0.5),
        ("router|queue_len", 3.4 - 1.9 * lead, 2.2, 0.55, PATH[1], 0.05, 3.6, 3.0),
        (PATH[3], 1.9 + 0.1 * lead, 8.8, 0.95, PATH[2], 0.08, 1.01, 0.5),
        ("vllm-b|queue_len", 0.9, 1.8, 0.62, "router|queue_len", 0.03, 3.7, 3.0),
        ("cache|evictions", 0.3, 0.9, 0.0, "", 0.01, 51.0, 50.0),
    ]
    found = [Suspect(*row[0].split("|"), *row[1:]) for row in table]
    return tuple(sorted(found, key=lambda s: -s.score))


def services(metrics: Sequence[Suspect]) -> tuple[ServiceSuspect, ...]:
    """Each service by its first metric."""
    first: dict[str, Suspect] = {}
    for suspect in metrics:
        first.setdefault(suspect.entity, suspect)
    return tuple(
        ServiceSuspect(s.entity, s.score, s.name, internal=0.7 * s.score, external=0.3 * s.score, flow=s.walk)
        for s in first.values()
    )


def edges() -> tuple[Edge, ...]:
    """The causal graph: the path, its neighbours, and a cycle between queue and time to first token."""
    learned = [
        Edge(PATH[0], PATH[1], 0.82, 1, "dependent"),
        Edge(PATH[1], PATH[2], 0.74, 1),
        Edge(PATH[2], PATH[1], 0.11, 2),
        Edge(PATH[2], PATH[3], 0.69, 0),
        Edge("router|queue_len", PATH[1], 0.31, 1),
        Edge("gateway|requests", "router|queue_len", 0.44, 1),
        Edge("router|queue_len", "vllm-b|queue_len", 0.38, 1),
        Edge("vllm-b|queue_len", "vllm-b|ttft_p95", 0.41, 1),
        Edge("vllm-b|ttft_p95", PATH[3], 0.22, 0),
        Edge("vllm-a|tokens", "vllm-a|gpu_power", 0.35, 0),
        Edge(PATH[0], "vllm-a|tokens", -0.48, 1, "dependent"),
        Edge("gateway|requests", "gateway|open_connections", 0.52, 0),
        Edge(PATH[3], "gateway|errors", 0.27, 2),
        Edge("db|connections", "db|latency_p99", 0.30, 1),
        Edge("cache|evictions", "cache|hit_share", -0.25, 1),
    ]
    return tuple(learned)


def batches(kpi: str) -> list[Event]:
    """Ten batches of the open incident, and what they changed about it."""
    told: list[Event] = []
    similarity = (0.0, 0.62, 0.71, 0.83, 0.88, 0.94, 0.97, 0.985, 0.99, 0.99)
    for k, same in enumerate(similarity, start=1):
        time = ONSET + 10 + 5 * k
        metrics = suspects(k)
        ranked = services(metrics)
        rca = "converged" if k >= 8 else "provisional"
        told.append(
            Ranked(
                SYSTEM,
                time,
                1,
                "INC-2",
                k,
                metrics,
                ranked,
                edges(),
                PATH,
                same,
                0.4 + 0.06 * k,
                rca,
                0.5 + 0.03 * k,
                hops=HOPS,
            )
        )
        action = "converged" if k == 8 else "ranked"
        told.append(Changed(SYSTEM, time, 2, action, incident(k, kpi)))
    return told


def incident(batch: int, kpi: str = PATH[3]) -> Incident:
    """The open incident after `batch` batches."""
    ranked = services(suspects(max(batch, 1)))
    return Incident(
        SYSTEM,
        "INC-2",
        "open",
        "collecting" if batch == 0 else "converged" if batch >= 8 else "provisional",
        ONSET,
        ONSET + 9,
        ONSET + 10 + 5 * batch,
        kpi=kpi,
        cause=suspects(batch)[0].name if batch else "",
        service=ranked[0].entity if batch else "",
        margin=ranked[0].score / ranked[1].score if batch else 0.0,
        confidence=0.5 + 0.03 * batch if batch else 0.0,
        answer="named" if batch >= 5 else "weak" if batch else "",
        ratio=0.5 + 0.3 * batch if batch else 0.0,
        batches=batch,
        changed=(PATH[2], PATH[3], PATH[1], PATH[0], "vllm-b|queue_len"),
        path=PATH if batch else (),
    )


def old_incident() -> list[Event]:
    """An incident that was resolved, whose ranking never settled."""
    gone = Incident(
        SYSTEM, "INC-1", "resolved", "inconclusive", START + 200, START + 212, START + 330, START + 330,
        cause="db|latency_p99", service="db", margin=1.05, answer="nothing", confidence=0.2, ratio=0.8, batches=2,
        changed=("db|latency_p99",),
    )  # fmt: skip
    return [
        Triggered(SYSTEM, START + 212, 0, START + 200, "joint", 9.2, (("db|latency_p99", 0.8),), "INC-1"),
        Changed(SYSTEM, START + 212, 1, "opened", gone),
        Changed(SYSTEM, START + 330, 1, "resolved", gone, by="ada", note="a backup ran"),
    ]


def events(kpi: str = PATH[3]) -> list[Event]:
    """Everything that happened, in order."""
    X = values()
    S = scores(X)
    joint = np.nanmax(S, axis=1)
    told: list[Event] = [
        Tick(SYSTEM, START + t, X[t].astype(np.float32), S[t].astype(np.float32), float(joint[t]), min(1.0, t / 600))
        for t in range(ROWS)
    ]
    told += old_incident()
    reason = "no KPI changed within the window, and incidents open on KPIs"
    told.append(Triggered(SYSTEM, START + 705, 0, START + 700, "metric", 7.7, (("cache|evictions", 0.97),), "", reason))
    shares = ((PATH[2], 0.41), (PATH[3], 0.33), (PATH[1], 0.19))
    told.append(Triggered(SYSTEM, ONSET + 9, 0, ONSET, "joint", 21.5, shares, "INC-2"))
    told.append(Changed(SYSTEM, ONSET + 9, 1, "opened", incident(0, kpi)))
    return told + batches(kpi)


def status(state: str = "running") -> dict[str, dict[str, object]]:
    """The worker's status rows."""
    return {
        "worker": {"pid": 1, "started": START, "state": state, "version": "0.1.0", "source": "kafka metrics"},
        "input": {
            "lag_records": 12, "stale_s": 0.8, "newest_row": START + ROWS - 1, "records": 43_000, "rows": ROWS,
            "alarms": [],
        },
        "counters": {
            "dead_letters": 3, "dead_letters_unpublished": 1, "late_samples": 17, "refused_columns": 0,
            "refused_names": [], "outbox_waiting": 0,
        },
        "learning": {SYSTEM: {"rows": 600, "of_rows": 600, "step": 1.0}},
    }  # fmt: skip


def evidence() -> EvidenceWindow:
    """The rows from five minutes before the onset."""
    kept = slice(1200, ROWS)
    return EvidenceWindow(
        SYSTEM,
        "INC-2",
        tuple(NAMES),
        START + np.arange(ROWS, dtype=np.float64)[kept],
        values()[kept].astype(np.float32),
    )


def write(path: Path, *, now: float, kpi: str = PATH[3], state: str = "running") -> str:
    """Write the whole story as a worker would that last wrote at `now`; return the store's address."""
    url = f"sqlite:///{path}"
    with Store(url, clock=lambda: now) as store:
        store.commit(Batch(events=events(kpi), series={SYSTEM: SERIES}, evidence=[evidence()], status=status(state)))
    return url
