"""From rankings of windows to the numbers that are printed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ours import Ranking
from .scorers import accuracy, best_place, calibration_error, hit_rate, place, top_one
from .windows import Window

__all__ = ["Judged", "judge", "missed", "numbers", "specificity", "utility"]

Number = tuple[str, float, str]  # metric, value, unit


class Judged(NamedTuple):
    """How a method did on a window."""

    visible: bool
    rank: float  # of the service at fault; nan where none is labelled
    metric_rank: float  # of the first metric at fault; nan where none is labelled
    hit: float  # HitRate@100 % of the metrics
    top: float  # chance that the first metric is one that is at fault
    answer: str
    confidence: float
    detected: bool = True


def judge(what: Window, ranking: Ranking, *, services: bool) -> Judged:
    """Hold a ranking against what was at fault."""
    metrics = ranking.metrics if len(what.metrics) else None
    return Judged(
        visible=what.visible,
        rank=place(ranking.services, what.columns.services.index(what.truth)) if services else np.nan,
        metric_rank=best_place(metrics, what.metrics) if metrics is not None else np.nan,
        hit=hit_rate(metrics, what.metrics) if metrics is not None else np.nan,
        top=top_one(metrics, what.metrics) if metrics is not None else np.nan,
        answer=ranking.answer,
        confidence=ranking.confidence,
    )


def missed(*, visible: bool, labelled: bool) -> Judged:
    """Return what every method gets on a fault that was not detected."""
    metric = np.inf if labelled else np.nan
    nothing = 0.0 if labelled else np.nan
    return Judged(visible, np.inf, metric, nothing, nothing, "", np.nan, detected=False)


def numbers(found: Sequence[Judged], *, services: bool) -> Iterator[Number]:
    """Yield what a method is worth on a set.

    A fault of a service that was not detected is a miss. The metrics of a host are scored over the segments that were
    detected, as they were in the figures that we compare with; ``hit100_all`` counts the others as misses.
    """
    seen = [one for one in found if one.detected]
    if services:
        yield from _ranks("", [one.rank for one in found], ("as1", "as3", "as5", "avg5", "mrr"))
        if not all(np.isnan(one.metric_rank) for one in seen):
            yield from _ranks("metric_", [one.metric_rank for one in found], ("as1", "avg5"))
    elif seen:
        yield "hit100", float(np.mean([one.hit for one in seen])), ""
        yield "top1", float(np.mean([one.top for one in seen])), ""
    if len(seen) < len(found):
        yield "recall", len(seen) / len(found), ""
        if not services:
            yield "hit100_all", float(np.mean([one.hit for one in found])), ""
    answers = [one.answer for one in seen if one.answer]
    if answers:
        yield "named", sum(answer == "named" for answer in answers) / len(answers), ""
    sure = [one for one in seen if not np.isnan(one.confidence)]
    if sure:
        right: NDArray[np.bool_] = np.array([one.rank <= 1.0 if services else one.top >= 0.5 for one in sure])
        yield "ece", calibration_error(np.array([one.confidence for one in sure]), right), ""
    yield "incidents", float(len(found)), "incidents"


def _ranks(prefix: str, ranks: Sequence[float], metrics: Sequence[str]) -> Iterator[Number]:
    known = [rank for rank in ranks if not np.isnan(rank)]
    if known:
        of_all = accuracy(known)
        yield from ((prefix + metric, of_all[metric], "") for metric in metrics)


def specificity(answers: Sequence[str]) -> float:
    """Return the share of healthy windows on which no culprit was named."""
    return sum(answer != "named" for answer in answers) / max(len(answers), 1)


def utility(found: Sequence[Judged], *, services: bool) -> float:
    """Return what a constant is chosen by: Avg@5, HitRate@100 % of a host."""
    values = {name: value for name, value, _ in numbers(found, services=services)}
    return values["avg5"] if services else values["hit100"]
