"""The words for what a ranking is worth and what its columns mean: the same on the terminal and on the pages. Pure."""

__all__ = ["FOLLOWING", "METRICS", "SERVICES", "UNUSUAL", "firmness", "margin", "still"]

UNUSUAL = "nothing unusual in what is measured"
"""Said of a ranking whose confidence is below 1."""

FOLLOWING = 0.9
"""A batch whose list is more alike than this to the one before has not moved."""

SERVICES = {
    "own": "how abnormal what happens inside the service is",
    "from others": "how abnormal it is in what its callers see of it",
    "flow": "the suspicion that the symptoms of callers bring to it, and that no service it calls takes on",
}
"""Column of the ranked services → what it says."""

METRICS = {
    "abnormal": "1 is the one-in-a-hundred event of quiet time",
    "explained, by": "the share that the graph explains by other metrics, and the one that explains most",
    "walk": "how often a random walk up the graph from the symptom ends here",
}
"""Column of the ranked metrics → what it says."""


def firmness(confidence: float) -> str:
    """How firmly a first place may be named a cause.

    Examples
    --------
    >>> firmness(2.0), firmness(1.2), firmness(0.4)
    ('likely cause', 'weak suspicion', 'best guess')
    """
    return "likely cause" if confidence >= 2 else "weak suspicion" if confidence >= 1 else "best guess"


def margin(ratio: float) -> str:
    """Score of the first service over the second's; a dash if there is no second, which is stored as 0.

    Examples
    --------
    >>> margin(1.5), margin(0.0)
    ('1.50', '-')
    """
    return f"{ratio:.2f}" if ratio > 0 else "-"


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
