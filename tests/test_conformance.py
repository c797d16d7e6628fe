"""Every learner of detectors and causal, found by walking the packages, obeys every law and river's own checks."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import pytest
import river.base
from river.checks import yield_checks

from headwater.causal.coral import Coral
from headwater.causal.moments import LaggedMoments
from headwater.detectors import TriggerPoint
from headwater.detectors.entities import EntityTriggers
from headwater.detectors.mssa_trigger import MssaTrigger
from headwater.online import Block
from headwater.online.checks import (
    LAWS,
    BrokenLawError,
    Law,
    Subject,
    block_equals_rows,
    empty_column_changes_nothing,
    leaves_the_callers_array_alone,
    memory_is_bounded,
    missing_is_legal,
    new_columns_at_the_right,
    reading_writes_nothing,
    refuses_what_does_not_fit,
    repeats_itself,
    resumes_where_it_stopped,
    stays_finite,
)
from tests import broken_learners


def rows() -> Block:
    """Noise round wandering levels, with a shift that makes a detector alarm."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(700, 6))
    noise[1:, 1] += 0.5 * noise[:-1, 0]
    noise[500:520, 2] += 12.0
    return noise + 0.05 * rng.normal(size=(700, 6)).cumsum(axis=0)


def trigger(**config: object) -> Callable[[], TriggerPoint]:
    return lambda: TriggerPoint(base=200, relearn=300, **config)


def by_entity() -> EntityTriggers:
    triggers = EntityTriggers(trigger={"base": 200, "relearn": 300}, refractory=5)
    triggers.adopt(["web", "db", "web", "db", "web", "edge:web>db"])
    return triggers


class Adapting(Coral):
    """Coral in an incident: the same laws hold for the rows it adapts to."""

    step = Coral.adapt


def in_incident() -> Adapting:
    coral = Adapting(hold_back=8)
    Coral.step(coral, rows())
    coral.begin(discard=20)
    return coral


SUBJECTS: dict[type, list[Subject]] = {
    TriggerPoint: [
        Subject(trigger(), rows(), (lambda t: t.score_one({"a": 1.0}),)),
        Subject(trigger(channels=("joint",)), rows()),
        Subject(trigger(mode="mssa"), rows()),
    ],
    EntityTriggers: [
        Subject(EntityTriggers, rows(), (lambda t: t.score_one({"a|x": 1.0}), lambda t: t.entities)),
        Subject(by_entity, rows()),
    ],
    MssaTrigger: [
        Subject(lambda: MssaTrigger(base=200), rows(), (lambda t: t.score_one({"a": 1.0}),)),
        Subject(lambda: MssaTrigger(base=200, statistic="frobenius", after="latch"), rows()),
    ],
    Coral: [
        Subject(
            lambda: Coral(hold_back=8),
            rows(),
            (
                Coral.weights,
                lambda c: c.columns,
                lambda c: c.residuals(rows()[:9, :0]),
                lambda c: c.account(rows()[:9, :0]),
            ),
        ),
        Subject(in_incident, rows(), (Coral.weights,)),
    ],
    LaggedMoments: [
        Subject(
            LaggedMoments,
            rows(),
            (LaggedMoments.covariances, lambda m: (m.mean.fill(9.0), m.seen.fill(9.0), m.sd, m.weight, m.room)),
        ),
        Subject(lambda: LaggedMoments(lags=2, block=5, local=True), rows()),
    ],
}


def learners() -> set[type]:
    """All classes of both rooms that step, snapshot and restore."""
    found = set()
    for room in ("detectors", "causal"):
        package = importlib.import_module(f"headwater.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for _, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                verbs = all(callable(getattr(thing, verb, None)) for verb in ("step", "snapshot", "restore"))
                if verbs and thing.__module__ == module.name:
                    found.add(thing)
    return found


def test_every_learner_has_a_subject() -> None:
    assert learners() == set(SUBJECTS), "say in SUBJECTS how to build and feed each learner"


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(
    "subject",
    [pytest.param(s, id=f"{kind.__name__}-{k}") for kind, all_ in SUBJECTS.items() for k, s in enumerate(all_)],
)
def test_law(law: Law, subject: Subject) -> None:
    law(subject)


class CreditCard:
    """Stands in for the data set that river would download: 30 numbers a row, and some rows far off."""

    def take(self, n: int) -> list[tuple[dict[str, float], int]]:
        rng = np.random.default_rng(11)
        fraud = rng.random(n) < 0.02
        values = rng.normal(size=(n, 30)) + 6.0 * fraud[:, None]
        return [
            ({f"V{k}": v for k, v in enumerate(row)}, int(y)) for row, y in zip(values.tolist(), fraud, strict=True)
        ]


def river_checks() -> Iterator[object]:
    for kind in SUBJECTS:
        if issubclass(kind, river.base.Estimator):
            with mock.patch("river.datasets.CreditCard", CreditCard):
                for check in yield_checks(kind()):
                    yield pytest.param(kind, check, id=f"{kind.__name__}-{check.__name__}")


@pytest.mark.parametrize(("kind", "check"), list(river_checks()))
def test_river(kind: type, check: Callable[[object], None]) -> None:
    check(kind())


SABOTAGE = [
    (block_equals_rows, broken_learners.WholeBlock),
    (resumes_where_it_stopped, broken_learners.ForgetsItsCount),
    (reading_writes_nothing, broken_learners.WritesWhenRead),
    (reading_writes_nothing, broken_learners.HandsOutItself),
    (leaves_the_callers_array_alone, broken_learners.Centres),
    (leaves_the_callers_array_alone, broken_learners.Keeps),
    (missing_is_legal, broken_learners.MissingIsHuge),
    (stays_finite, broken_learners.Overflows),
    (stays_finite, broken_learners.UnitScale),
    (new_columns_at_the_right, broken_learners.CountsAllRows),
    (empty_column_changes_nothing, broken_learners.DividesByWidth),
    (memory_is_bounded, broken_learners.Hoards),
    (repeats_itself, broken_learners.ReadsTheClock),
    (refuses_what_does_not_fit, broken_learners.TakesAnything),
    (refuses_what_does_not_fit, broken_learners.RefusesTooLate),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws_can_be_obeyed(law: Law) -> None:
    law(Subject(broken_learners.Mean, rows(), (broken_learners.Mean.peek,)))


@pytest.mark.parametrize(("law", "broken"), SABOTAGE, ids=lambda x: x.__name__)
def test_every_law_catches_its_sabotage(law: Law, broken: type[broken_learners.Mean]) -> None:
    with pytest.raises(BrokenLawError):
        law(Subject(broken, rows(), (broken.peek,)))


def test_every_law_has_a_sabotage() -> None:
    assert {law for law, _ in SABOTAGE} == set(LAWS)
