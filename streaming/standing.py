"""What a pipeline says about itself: how far it has learned, on what its graph rests, and what to mend. Pure."""

from typing import Any

from .pipeline import Pipeline
from .wording import UNKNOWN_TOPOLOGY

__all__ = ["remarks", "standing"]


def standing(pipeline: Pipeline) -> dict[str, Any]:
    """Describe a pipeline, as the store's status keeps it.

    Returns
    -------
    dict
        ``rows`` of ``of_rows`` of the base window, ``step`` in seconds, ``lags`` of the graph, ``topology`` (``hard``,
        ``soft``, or empty: learned) with its number of ``calls``, edges ``confirmed`` and ``forbidden`` by people,
        ``verdicts`` (how many were given, and in how many the true cause was first, or among the first), ``remarks``.
    """
    work, graphs = pipeline.work, pipeline.work.graphs
    known = [*work.closed.values(), *(case.incident for case in work.cases)]
    told = [incident for incident in known if incident.verdict]
    rows, of_rows = pipeline.learning
    return {
        "rows": rows,
        "of_rows": of_rows,
        "step": pipeline.config.step,
        "lags": graphs.lags,
        "topology": graphs.topology,
        "calls": int(graphs.columns.calls.sum()),
        "confirmed": sum(graphs.judged.values()),
        "forbidden": len(graphs.judged) - sum(graphs.judged.values()),
        "verdicts": {
            "given": len(told),
            "first": sum(incident.place == 1 for incident in told),
            "listed": sum(incident.place > 0 for incident in told),
        },
        "remarks": remarks(pipeline),
    }


def remarks(pipeline: Pipeline) -> list[str]:
    """Sentences on what its graph rests on and what could be better, once the base is learned."""
    graphs = pipeline.work.graphs
    if pipeline.learning[0] < pipeline.learning[1]:
        return []
    return [*[graphs.misfit] * bool(graphs.misfit), *[UNKNOWN_TOPOLOGY] * (not graphs.topology)]
