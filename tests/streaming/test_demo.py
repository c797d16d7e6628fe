"""The demo: playback, ranks, N-Sigma against a slow twin, the story, and one run from end to end."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from headwater.benchmarks import demo as bench
from headwater.streaming import demo
from headwater.streaming.cli.demo import Story
from headwater.streaming.records import Changed, Incident, Ranked, Series, Triggered
from headwater.streaming.simulator import Recording, Truth
from headwater.streaming.suspects import ServiceSuspect, Suspect

START = 1_000_000.0
NAMES = [("a", "x"), ("a", "y"), ("b", "x"), ("c", "still"), ("c", "jump")]


def recording(rows: int = 900, onset: int = 700, truth: bool = True, seed: int = 5) -> Recording:
    X = np.random.default_rng(seed).normal(size=(rows, len(NAMES)))
    X[onset:, 2] += 8.0
    X[:, 3] = 1.0
    X[:, 4] = np.where(np.arange(rows) == onset, 2.0, 0.0)
    X[::7, 0] = np.nan
    return Recording(
        times=START + np.arange(rows, dtype=np.float64),
        X=X,
        series=tuple(Series("demo", entity, metric) for entity, metric in NAMES),
        truth=Truth("toy", "b", ("x", "y"), START + onset, START + onset + 100) if truth else None,
        surge=(0.0, 0.0),
        bystander=("c", 0.0, 0.0),
        edges=(("a", "b"),),
        kpi=("a|x",),
    )


def naive_nsigma(run: Recording, onset: float, until: float) -> dict[str, float]:
    """N-Sigma as one would do it by hand."""
    scores: dict[str, float] = {}
    for j, series in enumerate(run.series):
        usual = [x for t, x in zip(run.times, run.X[:, j], strict=True) if onset - 600 <= t < onset and not np.isnan(x)]
        mean = sum(usual) / len(usual)
        spread = (sum((x - mean) ** 2 for x in usual) / len(usual)) ** 0.5
        z = 0.0
        for t, x in zip(run.times, run.X[:, j], strict=True):
            if onset <= t <= until and not np.isnan(x) and x != mean:
                z = max(z, abs(x - mean) / spread if spread else float("inf"))
        scores[series.entity] = max(z, scores.get(series.entity, 0.0))
    return scores


def test_nsigma_is_what_one_would_do_by_hand() -> None:
    run = recording()
    ours, slow = demo.nsigma(run, START + 700, START + 720), naive_nsigma(run, START + 700, START + 720)
    assert ours.keys() == slow.keys()
    for service, score in slow.items():
        assert ours[service] == pytest.approx(score, rel=1e-9)
    assert ours["c"] == np.inf, "what never moved before has no spread"
    assert demo.nsigma(run, START + 701, START + 720)["c"] != np.inf, "and once it has moved, it has"


@pytest.mark.parametrize("scores", [[3.0, 3.0, 1.0], [1.0, 2.0, 3.0, 3.0, 3.0], [5.0], [0.0, np.inf, np.inf]])
def test_ties_share_the_middle_rank(scores: list[float]) -> None:
    named = {str(i): score for i, score in enumerate(scores)}
    order = sorted(scores, reverse=True)
    for name, score in named.items():
        places = [place for place, other in enumerate(order, 1) if other == score]
        assert demo.middle_rank(named, name) == sum(places) / len(places)


def test_playback_hands_over_every_row_once_and_goes_on_where_told() -> None:
    run, pauses = recording(rows=150), [0]
    playback = demo.Playback(run, lambda: pauses.append(1))
    arrivals: list[Any] = []
    ended = False
    while not ended:
        poll = playback.poll(1.0)
        arrivals += poll.arrivals
        ended = poll.ended
    assert np.array_equal(np.array([a.word.values for a in arrivals]), run.X, equal_nan=True)
    assert [a.word.time for a in arrivals] == run.times.tolist()
    assert {id(a.word.names) for a in arrivals} == {id(arrivals[0].word.names)}, (
        "one tuple, which the aligner knows again"
    )
    assert (playback.offsets(), playback.lag()["records"], len(pauses)) == ({("demo", 0): 150}, 0, 4)
    playback.seek({("demo", 0): 149})
    assert [a.position.offset for a in playback.poll(1.0).arrivals] == [149]


def test_the_worker_is_told_nothing_but_the_measurements() -> None:
    settings = demo.setting(recording())
    assert settings.topology.edges == ("a>b",)
    assert settings.system.kpi == ("a|x",)
    assert "toy" not in settings.model_dump_json(), "not the fault"


def incident(onset: float, closed: float | None = None, rca: Any = "converged") -> Incident:
    return Incident(
        "demo", f"INC-{onset:.0f}", "open", rca, START + onset, START + onset + 9, START + onset + 60, closed
    )


def test_the_incident_that_is_meant_overlaps_the_fault() -> None:
    truth = recording().truth
    assert truth is not None
    early, late = incident(100, START + 300), incident(705)
    assert demo.meant([early, late], truth) is late
    assert demo.meant([early], truth) is early
    assert demo.meant([], truth) is None


class Shelf:
    """Stands in for `Reader`."""

    def __init__(self, incidents: Sequence[Incident], rankings: Sequence[Ranked] = ()) -> None:
        self._incidents, self._rankings = list(incidents), list(rankings)

    def incidents(self, system: str) -> list[Incident]:
        return self._incidents if system == "demo" else []

    def rankings(self, system: str, name: str) -> list[Ranked]:
        return [ranked for ranked in self._rankings if ranked.incident == name]


def ranked(batch: int, services: Sequence[str], metrics: Sequence[tuple[str, str]], rca: Any) -> Ranked:
    suspects = tuple(Suspect(entity, metric, 9.0 - i, 1.0) for i, (entity, metric) in enumerate(metrics))
    found = tuple(ServiceSuspect(name, 9.0 - i, "x") for i, name in enumerate(services))
    return Ranked(
        "demo",
        START + 710 + batch,
        0,
        "INC-705",
        batch,
        suspects,
        found,
        (),
        ("b|x", "a|x"),
        1.0,
        1.0,
        rca,
        0.9,
        "named",
    )


def test_the_last_ranking_is_judged() -> None:
    batches = [
        ranked(1, ["c", "b"], [("c", "jump")], "provisional"),
        ranked(2, ["b", "a"], [("c", "jump"), ("b", "x")], "converged"),
    ]
    verdict = demo.judge(recording(), 7, Shelf([incident(705)], batches))  # type: ignore[arg-type]
    assert verdict == {
        "seed": 7,
        "fault": "toy",
        "truth": {"service": "b", "metric": "x"},
        "incidents": 1,
        "rank": 1,
        "metric_rank": 2,
        "rank_nsigma": demo.middle_rank(naive_nsigma(recording(), START + 705, START + 712), "b"),
        "converged": True,
    }


def test_what_is_not_found_has_no_rank() -> None:
    verdict = demo.judge(recording(), 7, Shelf([]))  # type: ignore[arg-type]
    assert (verdict["incidents"], verdict["rank"], verdict["metric_rank"], verdict["rank_nsigma"]) == (
        0,
        None,
        None,
        None,
    )
    quiet = demo.judge(recording(truth=False), 7, Shelf([incident(705)]))  # type: ignore[arg-type]
    assert (quiet["fault"], quiet["truth"], quiet["incidents"], quiet["rank"]) == (None, None, 1, None)


def test_the_story_is_told_in_order_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(slow=False)
    story.begin(recording())
    opened = incident(705, rca="collecting")
    trigger = Triggered("demo", START + 706, 0, START + 704, "metric", 9.0, (("b|x", 1.0),), incident="INC-705")
    first = ranked(1, ["b"], [("b", "x")], "provisional")
    story.watch([trigger, Changed("demo", START + 714, 1, "opened", opened), trigger, first])
    story.watch(
        [Changed("demo", START + 730, 0, "ranked", opened), Changed("demo", START + 731, 0, "resolved", opened)]
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[2].split()[0] for line in lines[1:]] == ["trigger", "INC-705", "batch", "INC-705"]
    assert lines[1].startswith("  11:46  trigger     changed since 11:44: b|x")
    assert "likely cause b 9.00, b|x 9.00  (provisional)" in lines[3]


def test_bench_totals_count_what_the_bars_are_about() -> None:
    def verdict(incidents: int, rank: int | None, nsigma: float | None, seconds: float) -> dict[str, Any]:
        return {"incidents": incidents, "rank": rank, "rank_nsigma": nsigma, "converged": True, "seconds": seconds}

    faults = [verdict(1, 1, 1.0, 5.0), verdict(2, 3, 1.5, 9.0), verdict(0, None, None, 4.0)]
    found = {
        (r["set"], r["method"], r["metric"]): r["value"] for r in bench.totals(faults, [verdict(1, None, None, 3.0)])
    }
    assert found["faults", "headwater", "exactly_one_incident"] == 1
    assert found["faults", "headwater", "first_in"] == 1
    assert found["faults", "headwater", "top3_in"] == 2
    assert found["faults", "n-sigma", "first_in"] == 1
    assert found["quiet", "headwater", "incidents"] == 1
    assert found["all", "headwater", "seconds_max"] == 9.0


def test_the_demo_without_a_terminal_prints_one_object_and_ends() -> None:
    command = [sys.executable, "-m", "headwater", "demo", "--seed", "3", "--headless", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    verdict = json.loads(done.stdout)
    assert list(verdict) == [
        "seed", "fault", "truth", "incidents", "rank", "metric_rank", "rank_nsigma", "converged", "seconds",
    ]  # fmt: skip
    assert (verdict["seed"], verdict["fault"]) == (3, "kv_cache_leak")
    assert verdict["truth"] == {"service": "replica-3", "metric": "kv_cache_usage"}
    assert verdict["incidents"] >= 1
