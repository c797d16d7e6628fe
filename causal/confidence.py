"""What a ranking is worth: the answer to give, and how probable it is that its first entry is right.

Two questions, two numbers. *Is anything unusual, and is its cause among what is measured?* makes the answer, from the
ratio of the most abnormal metric to what the most abnormal one reaches in quiet windows. *Is the first entry it?* is a
probability, from signs that are known without the truth.
"""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .columns import SYMPTOMS, Columns

if TYPE_CHECKING:
    from .diagnosis import Findings

__all__ = ["SIGNS", "Answer", "Judgement", "judge", "signs"]

Floats: TypeAlias = NDArray[np.float64]
Slots: TypeAlias = NDArray[np.int64]
Answer: TypeAlias = Literal["named", "weak", "nothing", "outside"]

NAMED = 2.0  # ratio from which on a culprit is named
NOTICED = 1.0  # and below which nothing is unusual
ABNORMAL = 2.0  # a metric counts as abnormal from here on
MOVED = 4.0  # scales off its level: a metric has begun to move
BEGUN = 0.3  # and so much of its largest deviation
STRANGERS = 3  # so many metrics that have nothing to do with each other do not move in one row by themselves
ACQUAINTED = 0.2  # correlation of the quiet changes of two metrics that have something to do with each other

SIGNS = ("1", "ratio", "margin", "abnormal", "before", "together", "unexplained", "louder", "internal")
"""What `signs` gives."""
# Fitted by ``python -m headwater.benchmarks.synthetic.fitting``; docs/synthetic.md says on what.
HOST: tuple[float, ...] = (-0.57, 0.49, 0.93, -0.05, -0.30, 0.47, -0.15, 1.39, 0.00)
SERVICES: tuple[float, ...] = (-4.38, -0.02, 1.91, 0.19, -0.98, 1.83, 0.22, -0.49, 2.25)


class Judgement(NamedTuple):
    """How firmly the first entry of a ranking may be named."""

    answer: Answer
    confidence: float  # 0..1, probability that the first service (of a single one: the first metric) is right


def judge(
    columns: Columns, kpi: Slots, findings: "Findings", offsets: Floats, quiet: Floats | None = None
) -> Judgement:
    """Judge a diagnosis.

    *Nothing*: no metric is more abnormal than the most abnormal one of quiet windows. *Outside*: a KPI suffers and no
    metric but symptoms of its own service is; or several metrics that have nothing to do with each other moved in the
    first row, and none explains another. *Weak* and *named* by the ratio.

    Parameters
    ----------
    columns, kpi
        As `Diagnosis` has them.
    findings
        The diagnosis but for its `answer` and `confidence`.
    offsets
        ``float64[W, d]``, the window minus the level at its start, in scales of the metric; NaN: missing.
    quiet
        ``float64[n, d]``, the history.
    """
    weights = np.array(SERVICES if len(columns.services) > 1 else HOST)
    confidence = float(1.0 / (1.0 + np.exp(-weights @ signs(findings, offsets))))
    if not findings.ratio >= NOTICED:
        return Judgement("nothing", confidence)
    if _suffers_alone(columns, kpi, findings) or _struck_at_once(columns, findings, offsets, quiet):
        return Judgement("outside", confidence)
    return Judgement("named" if findings.ratio >= NAMED else "weak", confidence)


def signs(findings: "Findings", offsets: Floats) -> Floats:
    """Signs of a right first entry, ``float64[9]`` in the order of `SIGNS`; the first is 1.

    Logs of the ratio, of the margin of the first to the second (service, or metric of a single service), and of the
    number of abnormal metrics; of these the shares that moved before the first metric, or in the same row; the log of
    the number that nothing explains; how much louder than the first metric the loudest is; whether the first service
    has abnormal internals.
    """
    services, abnormal, first = findings.services, findings.abnormal, int(findings.order[0])
    several = len(services.score) > 1
    standing = np.sort(services.score if several else findings.score)[::-1]
    margin = standing[0] / max(standing[1], 1e-9) if len(standing) > 1 else 1.0
    loud = abnormal >= ABNORMAL
    loud[first] = False
    moved = began(offsets)
    count = max(int(loud.sum()), 1)
    return np.array(
        [
            1.0,
            np.log(np.clip(findings.ratio, 0.1, 100.0)),
            np.log(np.clip(margin, 1.0, 10.0)),
            np.log1p(loud.sum()),
            (moved[loud] < moved[first]).sum() / count,
            (moved[loud] == moved[first]).sum() / count,
            np.log1p((loud & (findings.explained == 0.0)).sum()),
            np.log(np.clip(abnormal.max() / max(float(abnormal[first]), 1e-9), 1.0, 10.0)),
            float(several and services.internal[int(services.score.argmax())] >= 1.0),
        ]
    )


def began(offsets: Floats) -> Slots:
    """First row in which each column of `offsets` had clearly left its level; the number of rows: never."""
    size = np.abs(np.nan_to_num(offsets))
    off = size >= np.maximum(MOVED, BEGUN * size.max(axis=0, initial=0.0))
    return np.where(off.any(axis=0), off.argmax(axis=0), len(offsets)).astype(np.int64)


def _suffers_alone(columns: Columns, kpi: Slots, findings: "Findings") -> bool:
    """Whether a KPI is abnormal, and nothing but symptoms of its own service is unusual."""
    if not (findings.abnormal[kpi] >= ABNORMAL).any():
        return False
    own = np.isin(columns.owner, columns.owner[kpi]) & np.isin(columns.roles, SYMPTOMS)
    own[kpi] = True
    rest = findings.abnormal[~own].max(initial=0.0)
    return bool(findings.ratio * rest < NOTICED * findings.abnormal.max())


def _struck_at_once(columns: Columns, findings: "Findings", offsets: Floats, quiet: Floats | None) -> bool:
    """Whether several metrics of a single service moved in the first row that have nothing to do with each other."""
    moved = began(offsets)
    heads = np.flatnonzero((findings.abnormal >= ABNORMAL) & (findings.explained == 0.0) & (moved < len(offsets)))
    heads = heads[moved[heads] == moved[heads].min(initial=len(offsets))]
    if quiet is None or len(columns.services) > 1 or len(heads) < STRANGERS:
        return False
    D = np.nan_to_num(np.diff(quiet[:, heads], axis=0))
    D -= D.mean(axis=0)
    size = np.sqrt((D**2).sum(axis=0))
    related = np.abs(D.T @ D) > ACQUAINTED * np.outer(size, size)
    for _ in heads:  # acquaintances of acquaintances
        related = (related.astype(np.int64) @ related.astype(np.int64)) > 0
    return len(np.unique(related, axis=0)) >= STRANGERS
