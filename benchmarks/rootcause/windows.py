"""What every ranking method is given: the rows after a change and the quiet rows before it, the same for each."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns

__all__ = ["TIMES", "Fault", "Recorded", "Time", "Window", "before", "joined", "kept"]

Floats = NDArray[np.float64]
Time = Literal["injected", "late1"]
TIMES: dict[Time, int] = {"injected": 0, "late1": 1}  # rows by which the given time is late
GAP = 1.5  # steps between two rows that do not follow each other


class Window(NamedTuple):
    """Rows after a change, the quiet rows before it, and what was at fault.

    Columns that speak for no single service (of a shared node, of a virtual front) are not in it.
    """

    columns: Columns
    history: Floats  # [n, d]
    restarts: NDArray[np.bool_]  # [n], rows before which time jumped
    window: Floats  # [W, d]
    truth: str = ""  # the service or node at fault; empty where only metrics are labelled, and on a healthy window
    metrics: NDArray[np.int64] = np.zeros(0, np.int64)  # columns that are at fault; empty: the labels name none
    visible: bool = True  # whether the fault shows in metrics at all, as its authors label it
    kpi: NDArray[np.int64] = np.zeros(0, np.int64)
    kpi_sign: NDArray[np.int64] = np.zeros(0, np.int64)
    anchor: Floats | None = None  # [d], level before the window, where the history is of another time
    lead: Floats | None = None  # [m, d], rows right before the window that are no history; the anchor is their level
    late: int = 0  # rows of the window before a second, later start
    name: str = ""  # of the incident in its labels
    kind: str = ""  # of its fault


class Recorded(NamedTuple):
    """A recording: what is judged of it, and which of its rows are known to be quiet."""

    columns: Columns
    times: Floats  # [T], in seconds, or row numbers where the source has no clock
    X: Floats  # [T, d]
    quiet: NDArray[np.bool_]  # [T]


class Fault(NamedTuple):
    """One labelled fault of a recording, in the recording's time."""

    start: float
    end: float
    service: str
    visible: bool = True
    metrics: tuple[str, ...] = ()
    name: str = ""
    kind: str = ""


def kept(names: Sequence[str]) -> list[str]:
    """Return the columns that speak for a service of their own."""
    return [n for n in names if not n.startswith("__") and not n.partition("|")[2].startswith("Node")]


def joined(times: Floats, step: float) -> NDArray[np.bool_]:
    """Say before which of the rows at `times` time jumped, forwards or back."""
    gaps = np.diff(times, prepend=times[:1])
    return (gaps < 0) | (gaps > GAP * step)


def before(what: Window) -> Window:
    """Return the control of a window: the newest rows of its history, in which its fault has not begun.

    Who ranks the true service first here has not found the fault, but what an older one has left behind.
    """
    cut = -len(what.window) if len(what.history) > len(what.window) else -1
    return what._replace(history=what.history[:cut], restarts=what.restarts[:cut], window=what.history[cut:])
