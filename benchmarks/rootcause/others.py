"""The peers' rankings of a window, on the same rows as ours.

PetShop asks about one metric (latency or availability of its front): there every peer that knows no KPI ranks nodes
by their columns of that metric alone, which is far better for it than all columns (BARO: top-1 .04).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headwater.benchmarks.peers.baro import baro_order
from headwater.benchmarks.peers.circa import circa
from headwater.benchmarks.peers.microrca import microrca
from headwater.benchmarks.peers.nsigma import nsigma
from headwater.benchmarks.peers.prism import prism
from headwater.benchmarks.peers.traversal import traversal
from headwater.benchmarks.peers.walk import correlation_walk
from headwater.benchmarks.peers.zscores import largest as largest_z
from headwater.benchmarks.peers.zscores import zscores
from headwater.causal.columns import SYMPTOMS
from headwater.causal.faithful import faithful

from .ours import Case, Ranking, largest, ranked_by
from .windows import Window

__all__ = ["PEERS", "RANK_METRICS", "asked", "rank_random"]

Floats = NDArray[np.float64]


def asked(what: Window) -> NDArray[np.bool_]:
    """Say which columns are of the metric that a window's KPI is of; all without a KPI."""
    if not len(what.kpi):
        return np.ones(len(what.columns.names), np.bool_)
    return np.asarray(np.isin(what.columns.types, what.columns.types[what.kpi]))


def _of_asked(what: Window, scores: Floats) -> Ranking:
    """Rank services by the columns that are asked about, metrics by all."""
    services = largest(what.columns, np.where(asked(what), scores, -np.inf))
    return Ranking(services, scores)


def _baro(case: Case, *, two_sided: bool = False) -> Ranking:
    w = case.window
    history, window = w.history, w.window
    if two_sided:  # the package looks upwards only: a column and its mirror image
        history, window = np.hstack([history, -history]), np.hstack([window, -window])
    d, width = len(w.columns.names), history.shape[1]
    scores = np.full(width, -np.inf)
    order = baro_order([str(j) for j in range(width)], history, window)
    scores[order] = -np.arange(len(order), dtype=np.float64)
    return _of_asked(w, np.maximum(scores[:d], scores[-d:]) if two_sided else scores)


def _nsigma(case: Case, *, two_sided: bool = False) -> Ranking:
    w = case.window
    return _of_asked(w, nsigma(w.history, w.window, two_sided=two_sided))


def _prism(case: Case) -> Ranking:
    w = case.window
    if len(w.kpi):  # one metric a node: nothing inside is measured, and what is left is its z
        return _of_asked(w, nsigma(w.history, w.window, two_sided=True))
    services = prism(w.columns, w.history, w.window)
    return Ranking(services)


def _traversal(case: Case) -> Ranking:
    w = case.window
    z = largest_z(np.abs(zscores(w.history, w.window)))
    symptoms = asked(w) & np.isin(w.columns.roles, SYMPTOMS)
    scores = np.where(symptoms, z, 0.0)
    services, found = traversal(w.columns, np.maximum(largest(w.columns, scores), 0.0))
    return Ranking(services, answer="named" if found else "nothing")


def _microrca(case: Case) -> Ranking:
    w = case.window
    return Ranking(microrca(w.columns, w.history, w.window))


def _walk(case: Case) -> Ranking:
    w = case.window
    return _of_asked(w, correlation_walk(w.history, w.window, w.kpi))


def _circa(case: Case) -> Ranking:
    w = case.window
    return _of_asked(w, circa(w.columns, w.history, w.window))


def _coral(case: Case) -> Ranking:
    w, among = case.window, case.suspects
    score = np.full(len(w.columns.names), -np.inf)
    kpi = np.flatnonzero(np.isin(among, w.kpi))
    score[among] = faithful(w.history[:, among], w.window[:, among], kpi).score
    return ranked_by(w.columns, score)


def rank_random(case: Case, rng: np.random.Generator) -> Ranking:
    """Rank in an order that knows nothing."""
    columns = case.window.columns
    return Ranking(rng.random(len(columns.services)), rng.random(len(columns.names)))


PEERS: dict[str, Callable[[Case], Ranking]] = {
    "baro": _baro,
    "baro/two_sided": lambda case: _baro(case, two_sided=True),
    "nsigma": _nsigma,
    "nsigma/two_sided": lambda case: _nsigma(case, two_sided=True),
    "prism": _prism,
    "walk": _walk,
    "microrca": _microrca,
    "traversal": _traversal,
    "circa": _circa,
    "coral": _coral,
}
"""By name; a setting after the slash is not the peer's own default. ``random`` is beside them, as it needs a seed."""

RANK_METRICS = ("baro", "baro/two_sided", "nsigma", "nsigma/two_sided", "walk", "coral", "random")
"""Those that can rank the metrics of a single host; the others need services."""
