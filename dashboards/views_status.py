"""The status strip of the live page as data: is a worker at work, is it keeping up, did it lose anything."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from .words import clock, moment, percent, plain, span

__all__ = ["Cell", "Status", "Tone", "silence", "strip"]

INTERVAL = 5.0  # seconds between two heartbeats: the worker commits at least this often
Tone: TypeAlias = Literal["plain", "good", "warn", "bad"]
Status: TypeAlias = Mapping[str, tuple[Mapping[str, Any], float]]
"""Key of a status row → its value, and the time at which the worker wrote it."""

_COLOURS: dict[Tone, Literal["gray", "green", "orange", "red"]] = {
    "plain": "gray",
    "good": "green",
    "warn": "orange",
    "bad": "red",
}


class Cell(NamedTuple):
    """One number of the strip; `note` says what it means just now, `help` what it means at all."""

    label: str
    value: str
    note: str
    help: str
    tone: Tone = "plain"

    @property
    def colour(self) -> Literal["gray", "green", "orange", "red"]:
        """Colour of the note. It adds nothing: the note says it in words."""
        return _COLOURS[self.tone]


def silence(status: Status, now: float) -> tuple[Tone, str] | None:
    """Why the page does not show the present: no worker yet, one that stopped, or one overdue. None: it does."""
    if "worker" not in status:
        return "warn", "No worker has used this store yet. Start one with `headwater run`, or try `headwater demo`."
    worker, updated = status["worker"]
    played = worker.get("source") == "file"  # a replay or the demo: `headwater run` would read something else
    if worker.get("state") == "stopped":
        more = "." if played else "; `headwater run` goes on."
        return "plain", f"The worker stopped at {moment(updated)}. This is what it left{more}"
    overdue = now - updated
    if overdue > 3 * INTERVAL:
        more = "." if played else ", or start it again with `headwater run`: it goes on where it was."
        return "bad", (
            f"The worker has been silent for {span(overdue)}; its last heartbeat was at {moment(updated)}. "
            f"What you see is old. See its log{more}"
        )
    return None


def strip(status: Status, system: str, open_incidents: int, now: float) -> list[Cell]:
    """The cells, in the order in which they are read."""
    return [
        _heartbeat(status, now),
        _learning(status, system),
        _lag(status),
        *_losses(status),
        Cell(
            "Incidents",
            f"{open_incidents:,}",
            "open" if open_incidents else "none open",
            "Incidents that are open or acknowledged.",
            "bad" if open_incidents else "good",
        ),
    ]


def _heartbeat(status: Status, now: float) -> Cell:
    text = "Time since the worker last wrote to the store. It does so at least every 5 s."
    if "worker" not in status:
        return Cell("Worker", "none", "never ran here", text, "warn")
    worker, updated = status["worker"]
    if worker.get("state") == "stopped":
        return Cell("Worker", "stopped", f"at {clock(updated)} UTC", text)
    quiet = silence(status, now)
    return Cell("Worker", span(now - updated), "since heartbeat", text, "good" if quiet is None else quiet[0])


def _learning(status: Status, system: str) -> Cell:
    text = "Before it watches, the detector learns what is usual from the base window."
    progress = status["learning"][0].get(system) if "learning" in status else None
    if not progress:
        return Cell("Learning", "–", "no rows yet", text)
    rows, of_rows = float(progress["rows"]), float(progress["of_rows"])
    if rows >= of_rows:
        return Cell("Learning", "done", "watching", text, "good")
    step = progress.get("step")
    if step is None:
        return Cell("Learning", f"{rows:.0f} of {of_rows:.0f} rows", percent(rows / of_rows), text)
    done, whole = rows * float(step), of_rows * float(step)
    size, unit = (60.0, "min") if whole >= 120 else (1.0, "s")
    return Cell("Learning", f"{done / size:.0f} of {whole / size:.0f} {unit}", percent(rows / of_rows), text)


def _lag(status: Status) -> Cell:
    text = "Records that the input holds and the worker has not read yet, and how long ago the last one came."
    if "input" not in status:
        return Cell("Input lag", "–", "no input yet", text)
    value = status["input"][0]
    lag, stale = value.get("lag_records"), value.get("stale_s")
    note = "from a file" if stale is None else f"last {span(float(stale))} ago"
    tone: Tone = "warn" if value.get("alarms") else "plain"
    return Cell("Input lag", "–" if lag is None else f"{int(lag):,} records", note, text, tone)


def _losses(status: Status) -> list[Cell]:
    counters = status["counters"][0] if "counters" in status else {}
    late, dead, unpublished, refused = (
        int(counters.get(key, 0))
        for key in ("late_samples", "dead_letters", "dead_letters_unpublished", "refused_columns")
    )
    names = plain(", ".join(str(name) for name in counters.get("refused_names", ())))
    systems = [plain(str(name)) or "others" for name in counters.get("refused_systems", ())]
    unread = f"{unpublished:,} unpublished" if unpublished else "unreadable"
    return [
        Cell(
            "Late",
            f"{late:,}",
            "not used" if late else "none",
            "Samples that came after the watermark had closed their row. They are counted and not used.",
        ),
        Cell(
            "Dead letters",
            f"{dead:,}",
            unread if dead else "none",
            "Records that could not be read. Each is kept with its place and its reason.",
            "warn" if dead else "plain",
        ),
        Cell(
            "Refused",
            f"{refused + len(systems):,}",
            "beyond the cap" if refused or systems else "none",
            f"Metrics that were not taken in, beyond `[align] max_columns`: {names or 'none'}. "
            f"Systems, beyond `[align] max_systems`: {', '.join(systems) or 'none'}.",
            "warn" if refused or systems else "plain",
        ),
    ]
