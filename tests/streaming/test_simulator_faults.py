"""The faults: real, hurtful, visible where they are, and too hard for a plain z-score."""

from collections.abc import Iterator
from functools import cache, reduce
from itertools import islice
from typing import NamedTuple

import numpy as np
import pytest

from headwater.streaming.simulator import EPOCH, FAULTS, Plan, System, play, scenario_plan
from headwater.streaming.simulator.neighbours import NEIGHBOURS

SEEDS = range(1, 21)
NAMES = [series.name for series in System(0).series]
ENTITIES = np.array([series.entity for series in System(0).series])
BASE = 600  # rows before the fault that tell what is usual


class Case(NamedTuple):
    plan: Plan
    X: np.ndarray  # the rows until two minutes into the fault
    start: int  # row of the fault's start

    def column(self, metric: str, entity: str | None = None) -> np.ndarray:
        return self.X[:, NAMES.index(f"{entity}|{metric}" if entity else metric)]

    def usual(self, x: np.ndarray) -> tuple[float, float]:
        """Median of the base, and its sigma: the larger of the robust and the plain one."""
        base = x[self.start - BASE : self.start]
        middle = float(np.nanmedian(base))
        return middle, max(1.4826 * float(np.nanmedian(np.abs(base - middle))), float(np.nanstd(base)))


@cache
def case(seed: int) -> Case:
    what = scenario_plan(seed)
    assert what.truth is not None
    start = int(what.truth.start - EPOCH)
    rows = islice(play(what, System(seed)), start + 121)
    return Case(what, np.array([row for _, row in rows]), start)


@pytest.fixture(params=SEEDS, scope="module")
def one(request: pytest.FixtureRequest) -> Iterator[Case]:
    return case(request.param)


def nsigma_rank(one: Case) -> int:
    """Where plain N-Sigma puts the true service: by the largest |x - mean| / sd of its metrics in the first minute."""
    base, window = one.X[one.start - BASE : one.start], one.X[one.start : one.start + 61]
    sd = np.nanstd(base, axis=0)
    z = np.nanmax(np.abs(window - np.nanmean(base, axis=0)) / np.where(sd > 0, sd, 1.0), axis=0)
    best = {entity: z[entity == ENTITIES].max() for entity in ENTITIES.tolist()}
    return 1 + sum(value > best[one.plan.truth.service] for value in best.values())


def test_twenty_seeds_hold_every_type_and_many_places() -> None:
    truths = [scenario_plan(seed).truth for seed in SEEDS]
    assert {truth.fault for truth in truths} == set(FAULTS)
    assert len(FAULTS) >= 8
    assert len({truth.service for truth in truths}) >= 8


def test_times_are_as_promised() -> None:
    for seed in range(1, 200):
        what = scenario_plan(seed)
        start, end = what.truth.start - EPOCH, what.truth.end - EPOCH
        assert 900 <= start <= 1260
        assert 280 <= end - start <= 320
        assert what.seconds - end >= 240
        assert 60 <= what.surge[1] - what.surge[0] <= 180
        assert what.surge[1] < what.truth.start or what.surge[0] > what.truth.end
        assert what.bystander[0] in NEIGHBOURS
        assert EPOCH < what.bystander[1] < what.bystander[2] < EPOCH + what.seconds


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_turns_a_knob_of_its_service_and_turns_it_back(name: str) -> None:
    fault = FAULTS[name]
    for service in fault.services:
        entity = System(1).entities[service]
        metrics = {metric.name for metric in entity.metrics}
        assert set(fault.metrics) <= metrics
        assert fault.knob not in metrics
        healthy = reduce(getattr, fault.knob.split("."), entity)
        heal = fault.inject(entity)
        assert reduce(getattr, fault.knob.split("."), entity) == fault.sick != healthy
        heal()
        assert reduce(getattr, fault.knob.split("."), entity) == healthy


def test_the_users_feel_it_within_a_minute_or_so(one: Case) -> None:
    kpi = one.column("gateway|ttft_p95_s")
    middle, sigma = one.usual(kpi)
    assert np.nanmedian(kpi[one.start + 60 : one.start + 121]) > max(3 * middle, middle + 5 * sigma)


def test_its_own_metric_shows_it_within_seconds(one: Case) -> None:
    truth = one.plan.truth
    shown = []
    for metric in truth.metrics:
        x = one.column(metric, truth.service)
        middle, sigma = one.usual(x)
        shown.append(abs(np.nanmedian(x[one.start + 10 : one.start + 20]) - middle) / max(sigma, 1e-9))
    assert max(shown) > 6, truth


def test_the_loudest_is_not_the_culprit() -> None:
    ranks = [nsigma_rank(case(seed)) for seed in SEEDS]
    assert ranks.count(1) <= 12, ranks
    assert ranks.count(1) >= 1, "a z-score that never finds it would hint at a service that does not show it"


def test_the_surge_is_felt_by_the_counters_and_by_no_user() -> None:
    seen = 0
    for seed in SEEDS:
        one = case(seed)
        a, b = (int(time - EPOCH) for time in one.plan.surge)
        if b > one.start:
            continue
        seen += 1
        surge = np.zeros(one.start, bool)
        surge[a : b + 15] = True
        for name in ("gateway|ttft_p95_s", "gateway|error_ratio"):
            x = one.column(name)[: one.start]
            assert x[surge].max() < 1.5 * np.quantile(x[~surge], 0.99), (seed, name)
        rate = one.column("gateway|requests_per_s")
        assert rate[a + 5 : b].mean() > 1.1 * rate[: one.start][~surge].mean()
    assert seen >= 10
