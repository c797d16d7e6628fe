"""The answer, and a probability that means what it says."""

from types import SimpleNamespace

import numpy as np
import pytest

from headwater.causal import confidence
from headwater.causal.columns import describe
from headwater.causal.confidence import HOST, SERVICES, SIGNS, judge, signs

HOST_NAMES = [f"host|m{j}" for j in range(6)]
CALLS = describe(
    ["front|latency_s", "front|error_ratio", "front|cpu", "back|latency_s", "back|cpu"], edges=[("front", "back")]
)
QUIET = np.random.default_rng(0).normal(size=(300, 6))


def findings(abnormal: list[float], *, ratio: float, explained: list[float] | None = None, **services: list[float]):
    """What of a diagnosis is judged; a single service without `services`."""
    found = np.array(abnormal)
    order = np.argsort(-found, kind="stable")
    score, internal = (np.array(services.get(name, [1.0])) for name in ("score", "internal"))
    return SimpleNamespace(
        abnormal=found,
        order=order,
        score=found[order],
        services=SimpleNamespace(score=score, internal=internal),
        explained=np.zeros(len(found)) if explained is None else np.array(explained),
        ratio=ratio,
    )


def moving(*rows: int, W: int = 8) -> np.ndarray:
    """Offsets of columns that step by 10 in these rows; W: never."""
    return 10.0 * (np.arange(W)[:, None] >= np.array(rows))


def of_host(found, offsets=None, quiet=QUIET):
    return judge(
        describe(HOST_NAMES),
        np.zeros(0, np.int64),
        found,
        moving(0, 9, 9, 9, 9, 9) if offsets is None else offsets,
        quiet,
    )


@pytest.mark.parametrize(("ratio", "answer"), [(0.99, "nothing"), (1.0, "weak"), (1.99, "weak"), (2.0, "named")])
def test_the_ratio_makes_the_answer(ratio: float, answer: str) -> None:
    assert of_host(findings([9, 1, 1, 1, 1, 1], ratio=ratio)).answer == answer


def test_a_ratio_that_is_unknown_names_nobody() -> None:
    assert of_host(findings([9, 1, 1, 1, 1, 1], ratio=np.nan)).answer == "nothing"


def test_strangers_that_are_struck_in_one_row_were_struck_from_outside() -> None:
    together, found = moving(2, 2, 2, 9, 9, 9), findings([9, 8, 7, 1, 1, 1], ratio=3.0)
    assert of_host(found, together).answer == "outside"
    assert of_host(found, moving(1, 2, 2, 9, 9, 9)).answer == "named", "one moved before the others"
    assert of_host(findings([9, 8, 1, 1, 1, 1], ratio=3.0), together).answer == "named", "two are no crowd"
    led = findings([9, 8, 7, 1, 1, 1], ratio=3.0, explained=[0, 0.5, 0, 0, 0, 0])
    assert of_host(led, together).answer == "named", "one of them follows another"
    related = QUIET.copy()
    related[:, 1] += related[:, 0]
    related[:, 2] += related[:, 1]
    assert of_host(found, together, related).answer == "named", "they have always moved together"


def test_a_kpi_that_suffers_alone_suffers_from_outside() -> None:
    kpi = np.array([0])
    alone = findings([9.0, 6.0, 1.2, 1.0, 1.1], ratio=6.0, score=[3, 1], internal=[1.2, 1.1])  # 1.5 is usual
    assert judge(CALLS, kpi, alone, moving(0, 0, 9, 9, 9), QUIET[:, :5]).answer == "outside"
    behind = findings([9.0, 6.0, 1.2, 1.0, 1.6], ratio=6.0, score=[3, 1], internal=[1.2, 1.6])
    assert judge(CALLS, kpi, behind, moving(0, 0, 9, 9, 9), QUIET[:, :5]).answer == "named"
    calm = findings([1.9, 1.2, 1.2, 1.0, 1.0], ratio=1.3, score=[3, 1], internal=[1.2, 1.0])
    assert judge(CALLS, kpi, calm, moving(0, 9, 9, 9, 9), QUIET[:, :5]).answer == "weak"


def test_signs_are_what_they_are_called() -> None:
    found = findings([8.0, 4.0, 3.0, 2.5, 1.0, 0.5], ratio=np.e, explained=[0, 0, 0, 0.4, 0, 0])
    said = dict(zip(SIGNS, signs(found, moving(2, 1, 2, 4, 9, 9)), strict=True))
    assert said == pytest.approx(
        {
            "1": 1.0,
            "ratio": 1.0,
            "margin": np.log(2.0),
            "abnormal": np.log(4.0),  # three beside the first
            "before": 1 / 3,
            "together": 1 / 3,
            "unexplained": np.log(3.0),
            "louder": 0.0,
            "internal": 0.0,
        }
    )
    services = findings([3.0, 1, 1, 1, 9], ratio=2.0, score=[1.0, 2.0], internal=[0.2, 9.0])
    services.order = np.array([0, 4, 1, 2, 3])
    said = dict(zip(SIGNS, signs(services, moving(0, 9, 9, 9, 0)), strict=True))
    assert (said["internal"], said["margin"], said["louder"]) == (
        1.0,
        pytest.approx(np.log(2)),
        pytest.approx(np.log(3)),
    )


def test_confidence_grows_with_the_margin_and_falls_with_what_others_did_first() -> None:
    for several, weights in ((False, HOST), (True, SERVICES)):
        assert len(weights) == len(SIGNS)
        by_name = dict(zip(SIGNS, weights, strict=True))
        assert by_name["margin"] > 0 > by_name["before"]
        assert (by_name["internal"] > 0) == several
    sure = of_host(findings([30, 2, 1, 1, 1, 1], ratio=9.0)).confidence
    assert 0 < of_host(findings([3, 2.9, 1, 1, 1, 1], ratio=1.1)).confidence < sure < 1


def test_extremes_are_no_certainty() -> None:
    for found in (findings([1e9, 0, 0, 0, 0, 0], ratio=1e12), findings([0.0] * 6, ratio=0.0)):
        assert 0.0 < of_host(found).confidence < 1.0
    assert confidence.NAMED > confidence.NOTICED
