"""Where it started: from abnormal metrics to ranked services and metrics.

A service is suspect for what happens inside it (its *internal* metrics) and for what its callers see of it (its
*symptoms*). Symptoms travel from callee to caller, so the suspicion that symptoms raise flows the other way: an
absorbing walk along the call graph carries it from each caller to the callee whose symptom accounts for the
caller's, and rests where no callee does, or where the service's own internals do.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import SYMPTOMS, Columns, Role
from .mirrors import mirrored
from .recipe import SHIPPED, Recipe

__all__ = ["ServiceScores", "order_metrics", "score_services"]

Floats = NDArray[np.float64]
_STEPS = 12  # no call chain that matters is longer
_CAUSE = 0.05  # an internal must be so large a part of the symptom that it is to have caused
_LOUDEST = 600.0  # how far beyond it a symptom is says nothing: a queue is empty at rest
_SYMPTOM = 2.0  # a symptom must be this abnormal on both sides to travel


class ServiceScores(NamedTuple):
    """One number per service; arrays are ``[s]``."""

    score: Floats
    internal: Floats  # abnormality of the most abnormal internal metric
    external: Floats  # the same of the symptoms
    flow: Floats  # suspicion absorbed
    added: tuple[tuple[str, str], ...] = ()  # (caller, callee), calls recognised from the data


def score_services(
    columns: Columns,
    abnormal: Floats,
    deviation: Floats,
    kpi_roles: frozenset[int] = frozenset(),
    *,
    recipe: Recipe = SHIPPED,
) -> ServiceScores:
    """Score services by their own evidence and by the symptoms that flow to them.

    Parameters
    ----------
    columns
        Who owns which column, and who calls whom.
    abnormal, deviation
        ``float64[d]``: see `headwater.causal.evidence.Evidence`.
    kpi_roles
        With KPIs of a known role (latency, availability) only symptoms of these roles, and saturation, count.
    recipe
        Weights of the parts.

    Examples
    --------
    The front shows the largest symptom, but its callee's symptom accounts for it, and the callee's cpu is abnormal:

    >>> from headwater.causal.columns import describe
    >>> columns = describe(["front|latency_s", "back|latency_s", "back|cpu"], edges=[("front", "back")])
    >>> scores = score_services(columns, np.array([9.0, 8.0, 4.0]), np.array([0.5, 0.5, 0.3]))
    >>> columns.services[int(scores.score.argmax())]
    'back'
    """
    s = len(columns.services)
    internal, external = np.zeros(s), np.zeros(s)
    asked = kpi_roles & frozenset(SYMPTOMS) or frozenset(SYMPTOMS)
    symptom = columns.roles != Role.INTERNAL
    if kpi_roles & frozenset(SYMPTOMS):
        symptom &= np.isin(columns.roles, [Role.SATURATION, *kpi_roles])
    owned = (columns.owner >= 0) & (columns.roles != Role.SHARED)
    inside = owned & (columns.roles == Role.INTERNAL)
    outside = owned & symptom
    np.maximum.at(internal, columns.owner[inside], abnormal[inside])
    np.maximum.at(external, columns.owner[outside], abnormal[outside])
    # Less traffic, or less of anything whose fall does no harm, is what others did to a service.
    worse = (inside | outside) & (deviation * columns.bad >= 0) & (columns.roles != Role.WORKLOAD)
    worse &= abnormal >= _SYMPTOM
    guilt = np.zeros(s)
    np.maximum.at(guilt, columns.owner[worse], abnormal[worse])
    travelling = worse & outside & np.isin(columns.roles, list(asked)) & (deviation != 0)
    added: tuple[tuple[str, str], ...] = ()
    if recipe.mirrors:
        columns, added = mirrored(columns, travelling)
    carried = _carried(columns, deviation, travelling)
    passing = columns.calls & (external >= _SYMPTOM)[:, None]
    calibrated = recipe.amplified * guilt[None, :] / np.sqrt(np.clip(external, 1.0, _LOUDEST))[:, None]
    carried = np.maximum(carried, np.where(passing, np.minimum(calibrated, 1.0), 0.0))
    P = recipe.flow * _transitions(carried, internal, external)
    flow = _absorb(P, np.sqrt(external))
    return ServiceScores(np.maximum(np.sqrt(internal), flow), internal, external, flow, added)


def _transitions(carried: Floats, internal: Floats, external: Floats) -> Floats:
    """``P[a, b]``: share of a's suspicion that goes on to its callee b; the rest of the row stays.

    What b accounts for of a's symptom (`carried`, ``[s, s]``) is the larger of two estimates. In natural units: its own
    latency over that of a. In calibrated units: the abnormality of what got worse in it over the square root of that
    of a's symptom, since queues amplify what travels along a path, and a fault inside b need not show in b's latency at
    all; there both ends must be abnormal.
    """
    total, largest = carried.sum(axis=1), carried.max(axis=1, initial=0.0)
    own = np.where(internal >= 1.0, internal, 0.0)
    leaves = np.divide(external, external + own, out=np.zeros_like(own), where=external > 0) * largest
    rate: Floats = np.divide(leaves, total, out=np.zeros_like(own), where=total > 0)
    return carried * rate[:, None]


def _carried(columns: Columns, deviation: Floats, travelling: NDArray[np.bool_]) -> Floats:
    """Share of each caller's latency or errors that each callee accounts for, in natural units, ``[s, s]``."""
    s = len(columns.services)
    carried = np.zeros((s, s))
    for role in SYMPTOMS:
        worst = np.zeros((s, int(columns.types.max(initial=-1)) + 1))
        chosen = np.flatnonzero(travelling & (columns.roles == role))
        np.maximum.at(worst, (columns.owner[chosen], columns.types[chosen]), np.abs(deviation[chosen]))
        shown = worst.any(axis=1)
        for a, b in zip(*np.nonzero(columns.calls & np.outer(shown, shown)), strict=True):
            both = (worst[a] > 0) & (worst[b] > 0)
            if both.any():
                share = float(np.minimum(1.0, worst[b, both] / worst[a, both]).max())
            else:
                # No metric type in common: the largest deviations of the role, in the role's one unit.
                share = min(1.0, float(worst[b].max() / worst[a].max()))
            carried[a, b] = max(carried[a, b], share)
    return carried


def _absorb(P: Floats, start: Floats) -> Floats:
    """Let `start` walk along `P` and collect what rests at each node."""
    stay = 1.0 - P.sum(axis=1)
    moving: Floats = start.copy()
    resting: Floats = np.zeros_like(start)
    for _ in range(_STEPS):
        resting += moving * stay
        moving = moving @ P
    return resting + moving


def order_metrics(
    columns: Columns, abnormal: Floats, suspicion: Floats, services: ServiceScores, *, inside_first: bool = True
) -> tuple[NDArray[np.int64], Floats]:
    """Order of the columns, most suspect first, and their scores (``float64[d]``), which fall along it.

    The first metric of a service has the score of the service, the others their share of it by `suspicion`
    (``float64[d]``, the abnormality that no other metric explains). With `inside_first`, inside a service with internal
    evidence its abnormal internals come before the symptoms that they cause.
    """
    # Columns that no service owns (the last place, owner -1) stand half as high as the first service.
    standing = np.append(services.score, 0.5 * services.score.max(initial=0.0) or 1.0)
    strongest = np.zeros(len(standing))
    np.maximum.at(strongest, columns.owner, suspicion)
    score = standing[columns.owner] * suspicion / np.maximum(strongest, 1e-12)[columns.owner]
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    for service in np.flatnonzero(services.internal >= 1.0) if inside_first else ():
        places = np.flatnonzero(columns.owner[order] == service)
        mine = order[places]
        threshold = max(1.0, 0.1 * services.internal[service], _CAUSE * services.external[service])
        first = (columns.roles[mine] == Role.INTERNAL) & (abnormal[mine] >= threshold)
        order[places] = np.concatenate([mine[first], mine[~first]])
    score[order] = falling
    return order, score
