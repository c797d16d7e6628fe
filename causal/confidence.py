"""What a ranking is worth: the answer to give, and how probable it is that its first entry is right.

Two questions, two numbers. *Is anything unusual?* is the ratio of the most abnormal metric to what the most abnormal
one reaches in quiet windows; it makes the answer. *Is the first entry it?* is a probability, from signs that are
known without the truth.
"""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .columns import SYMPTOMS, Columns

if TYPE_CHECKING:
    from .diagnosis import Findings

__all__ = ["Answer", "Judgement", "judge", "signs"]

Floats: TypeAlias = NDArray[np.float64]
Answer: TypeAlias = Literal["named", "weak", "nothing", "outside"]

NAMED = 2.0  # ratio from which on a culprit is named
NOTICED = 1.0  # and below which nothing is unusual
ABNORMAL = 2.0  # a metric counts as abnormal from here on
MOVED = 4.0  # scales off its level: a metric has begun to move


class Judgement(NamedTuple):
    """How firmly the first entry of a ranking may be named."""

    answer: Answer
    confidence: float  # 0..1, probability that the first service (of a single one: the first metric) is right


def judge(columns: Columns, kpi: NDArray[np.int64], findings: "Findings", offsets: Floats) -> Judgement:
    """Judge a diagnosis.

    Parameters
    ----------
    columns, kpi
        As `Diagnosis` has them.
    findings
        The diagnosis but for its `answer` and `confidence`.
    offsets
        ``float64[W, d]``, the window minus the level at its start, in scales of the metric; NaN: missing.
    """
    if not findings.ratio >= NOTICED:
        answer: Answer = "nothing"
    elif _outside(columns, kpi, findings.abnormal):
        answer = "outside"
    else:
        answer = "named" if findings.ratio >= NAMED else "weak"
    logit = float(signs(findings, offsets) @ np.array([1.0, 1.0, -0.2, 0.5, -0.5]) - 1.0)
    return Judgement(answer, float(1.0 / (1.0 + np.exp(-logit))))


def signs(findings: "Findings", offsets: Floats) -> Floats:
    """Signs of a right first entry.

    Logs of the ratio, of the margin to the second and of the number of abnormal metrics; whether the first service
    has abnormal internals; the share of the abnormal metrics that moved before the first metric did.
    """
    services = findings.services
    several = len(services.score) > 1
    standing = np.sort(services.score if several else findings.score)[::-1]
    margin = standing[0] / max(standing[1], 1e-9) if len(standing) > 1 else 1.0
    internal = float(services.internal[int(services.score.argmax())] >= 1.0) if several else 0.0
    loud = findings.abnormal >= ABNORMAL
    moved = np.abs(np.nan_to_num(offsets)) >= MOVED
    first = np.where(moved.any(axis=0), moved.argmax(axis=0), len(offsets))
    before = float((first[loud] < first[findings.order[0]]).mean()) if loud.any() else 0.0
    ratio, many = np.log(np.clip(findings.ratio, 0.1, 100.0)), np.log1p(float(loud.sum()))
    return np.array([ratio, np.log(np.clip(margin, 1.0, 10.0)), many, internal, before])


def _outside(columns: Columns, kpi: NDArray[np.int64], abnormal: Floats) -> bool:
    """Whether a KPI suffers and nothing is unusual but symptoms of its own service."""
    loud = np.flatnonzero(abnormal >= ABNORMAL)
    own = np.isin(columns.owner[loud], columns.owner[kpi]) & np.isin(columns.roles[loud], SYMPTOMS)
    return len(kpi) > 0 and bool(np.isin(kpi, loud).any()) and bool((own | np.isin(loud, kpi)).all())
