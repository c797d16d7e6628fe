"""The words for what a ranking is worth and what its columns mean: the same on the terminal and on the pages. Pure."""

import math

from .suspects import Answer, Hop, Suspect

__all__ = [
    "CHANNELS",
    "FOLLOWING",
    "METRICS",
    "RATIO",
    "ROLES",
    "SERVICES",
    "STEPS",
    "UNKNOWN_TOPOLOGY",
    "doubt",
    "firmness",
    "ground",
    "margin",
    "placed",
    "present",
    "still",
    "sure",
]

RATIO = "strength of the evidence over that of quiet windows: below 1 nothing is unusual, from 2 on a cause is named"
"""What the ratio of an incident says."""

UNKNOWN_TOPOLOGY = "no call graph is known ([topology] edges, or edge:a>b columns): what drives what is learned"
"""Said where paths rest on learned edges alone."""

CHANNELS = {
    "joint": "many metrics together",
    "metric": "a metric by itself",
    "frozen": "metrics that stand still though they never did",
}
"""Channel of a trigger → what it has seen."""

ROLES = {
    "internal": "what a fault acts on, like cpu, memory or disk",
    "latency": "what callers wait for",
    "availability": "what callers see fail",
    "workload": "how much is asked",
    "saturation": "what waits in a queue",
    "shared": "of the host under it, evidence for nobody",
}
"""Role of a metric → what it is to its service."""

FOLLOWING = 0.9
"""A batch whose list is more alike than this to the one before has not moved."""

SERVICES = {
    "own": "how abnormal what happens inside the service is",
    "from others": "how abnormal it is in what its callers see of it",
    "flow": "the suspicion that the symptoms of callers bring to it, and that no service it calls takes on",
}
"""Column of the ranked services → what it says."""

STEPS = {
    "evidence": "learned: an edge of the causal graph; called: only the call graph leads here",
    "accounts for": "of a learned edge its share of all that was learned into the effect, "
    "of a call the size of the cause over that of the effect",
}
"""Column of the steps of a path → what it says."""

METRICS = {
    "abnormal": "1 is the one-in-a-hundred event of quiet time; the largest of the next three",
    "lasting": "how unusual it is as a change that lasts",
    "sharp": "how unusual it is as one of a row or two",
    "silent": "how unusual it is that it has no values any more",
    "explained, by": "the share that the graph explains by other metrics, and the one that explains most",
    "walk": "how often a random walk up the graph from the symptom ends here",
}
"""Column of the ranked metrics → what it says."""


def firmness(answer: Answer) -> str:
    """How firmly a first place may be named a cause.

    Examples
    --------
    >>> firmness("named"), firmness("weak"), firmness("nothing")
    ('likely cause', 'weak suspicion', 'best guess')
    """
    return {"named": "likely cause", "weak": "weak suspicion"}.get(answer, "best guess")


def doubt(answer: Answer) -> str:
    """Why a first place may be nobody's fault; empty: no reason to say so.

    Examples
    --------
    >>> doubt("nothing")
    'nothing unusual in what is measured'
    """
    return {
        "nothing": "nothing unusual in what is measured",
        "outside": "the KPIs suffer, and nothing else that is measured is unusual",
    }.get(answer, "")


def sure(confidence: float) -> str:
    """The probability that the first place is right; a dash if it is not known.

    Examples
    --------
    >>> sure(0.834), sure(float("nan"))
    ('83 %', '-')
    """
    return f"{confidence:.0%}".replace("%", " %") if math.isfinite(confidence) else "-"


def ground(hop: Hop) -> str:
    """What a step of a path stands on.

    Examples
    --------
    >>> ground(Hop("db|disk", "db|latency", 0.41, 2, 0.6, "learned")), ground(Hop("a|x", "b|y", 0.0, 0, 0.5, "call"))
    ('learned: weight 0.41, 2 rows later', 'called')
    """
    if hop.kind == "call":
        return "called"
    return f"learned: weight {hop.weight:.2f}, {hop.lag} row{'s' * (hop.lag != 1)} later"


def margin(ratio: float) -> str:
    """Score of the first service over the second's; a dash if there is no second, which is stored as 0.

    Examples
    --------
    >>> margin(1.5), margin(0.0)
    ('1.50', '-')
    """
    return f"{ratio:.2f}" if ratio > 0 else "-"


def placed(place: int) -> str:
    """Where the true cause stood in the list when it was told; 0 is further down than the list reaches.

    Examples
    --------
    >>> placed(1), placed(0)
    ('which was place 1', 'which was not among the first')
    """
    return f"which was place {place}" if place else "which was not among the first"


def present(suspect: Suspect) -> str:
    """The value of a metric in the incident, or that it has gone silent: then its silence is what is unusual in it.

    Examples
    --------
    >>> present(Suspect("db", "cpu", 1.0, 4.0, value=0.93)), present(Suspect("db", "cpu", 1.0, 4.0, silent=4.0))
    ('0.93', 'silent')
    """
    return "silent" if suspect.silent >= max(1.0, suspect.abnormal) else f"{suspect.value:.4g}"


def still(settled_at: int, agreement: float) -> str:
    """What became of a ranking that was stable at batch `settled_at`, by the newest batch's agreement.

    Examples
    --------
    >>> still(8, 0.26)
    'It was stable at batch 8; it has moved since (agreement 0.26).'
    """
    if agreement > FOLLOWING:
        return "The ranking and the graph have stopped changing."
    return f"It was stable at batch {settled_at}; it has moved since (agreement {agreement:.2f})."
