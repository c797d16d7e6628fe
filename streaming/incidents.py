"""The life of an incident, as two tables. Pure: time and evidence come in, a new `Incident` goes out.

`state` is what people and time do to an incident; `rca` is how settled its cause is. The two never mix::

    open ──acknowledge──> acknowledged          collecting ──rank──> provisional ──settle──> converged
      └──────┬──────────────────┘                    └────────close────────┴─> inconclusive
             ├─ quiet, resolve ─> resolved
             ├─ dismiss ────────> dismissed
             └─ outlast ────────> shifted       the new level stayed for `max_incident`: it is the normal now

A stimulus that the tables do not name changes nothing and raises.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from .errors import CommandRefused
from .records import Incident, RcaState, State

__all__ = ["LIVE", "RCA_TABLE", "STATE_TABLE", "RcaStimulus", "Stimulus", "progress", "rca_after", "state_after"]

Stimulus: TypeAlias = Literal["acknowledge", "resolve", "dismiss", "quiet", "outlast"]
RcaStimulus: TypeAlias = Literal["rank", "settle", "close"]

LIVE: frozenset[State] = frozenset({"open", "acknowledged"})

STATE_TABLE: dict[tuple[State, Stimulus], State] = {
    ("open", "acknowledge"): "acknowledged",
    ("open", "resolve"): "resolved",
    ("open", "dismiss"): "dismissed",
    ("open", "quiet"): "resolved",
    ("open", "outlast"): "shifted",
    ("acknowledged", "resolve"): "resolved",
    ("acknowledged", "dismiss"): "dismissed",
    ("acknowledged", "quiet"): "resolved",
    ("acknowledged", "outlast"): "shifted",
}

RCA_TABLE: dict[tuple[RcaState, RcaStimulus], RcaState] = {
    ("collecting", "rank"): "provisional",
    ("provisional", "rank"): "provisional",
    ("converged", "rank"): "converged",  # "stable", not "finished": an open incident is ranked on
    ("provisional", "settle"): "converged",
    ("converged", "settle"): "converged",
    ("collecting", "close"): "inconclusive",
    ("provisional", "close"): "inconclusive",
    ("converged", "close"): "converged",
}


def state_after(state: State, stimulus: Stimulus) -> State:
    """Look up the next state; raise `CommandRefused` for what the table does not name.

    >>> state_after("open", "acknowledge")
    'acknowledged'
    """
    try:
        return STATE_TABLE[state, stimulus]
    except KeyError:
        allowed = sorted(s for (at, s) in STATE_TABLE if at == state)
        raise CommandRefused(
            f"an incident that is {state} cannot take '{stimulus}'",
            f"from {state} it takes {', '.join(allowed)}" if allowed else f"{state} is final",
            "see its timeline with: headwater incidents show ID",
        ) from None


def rca_after(rca: RcaState, stimulus: RcaStimulus) -> RcaState:
    """Look up the next state of the root-cause analysis; anything else is a defect of ours."""
    return RCA_TABLE[rca, stimulus]


def progress(incident: Incident, stimulus: Stimulus, time: float) -> Incident:
    """The incident after a stimulus at row time `time`; one that ends it also closes its analysis."""
    state = state_after(incident.state, stimulus)
    fields: dict[str, Any] = {"state": state, "updated": time}
    if state not in LIVE:
        fields |= {"closed": time, "rca": rca_after(incident.rca, "close")}
    return msgspec.structs.replace(incident, **fields)
