"""``headwater demo``: a simulated fault, told as it is found, and then the truth."""

# ruff: noqa: PLC0415  (the simulator, the learners and the store load when the demo runs, not for --help)

import logging
import secrets
import sys
import tempfile
import time
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.streaming.errors import InputError

from . import dashboard as cli_dashboard
from . import terminal
from .options import Json, Store

if TYPE_CHECKING:
    from headwater.streaming.records import Changed, Event, Ranked
    from headwater.streaming.simulator import Recording

__all__ = ["Story", "demo"]

SEEDS = 100_000
QUIET = 6 * 3600.0
EASE = 0.4  # seconds a minute of rows takes on a terminal while an incident is open


class Story:
    """Tells what the worker finds, line by line, with the time in the recording: a `demo.Audience`.

    Parameters
    ----------
    slow
        Whether somebody watches: then time slows down while an incident is open.
    """

    def __init__(self, slow: bool) -> None:
        self._slow = slow
        self._start = 0.0
        self._open: set[str] = set()

    def begin(self, recording: "Recording") -> None:
        """Say what was simulated."""
        self._start = float(recording.times[0])
        size = f"{len({s.entity for s in recording.series})} entities, {len(recording.series)} metrics"
        terminal.say(f"  simulated {terminal.span(len(recording.times))} of an LLM-serving system: {size}, 1 Hz")

    def pause(self) -> None:
        """Give the reader time while an incident is open."""
        if self._slow and self._open:
            time.sleep(EASE)

    def watch(self, events: "Sequence[Event]") -> None:
        """Tell of the events that matter."""
        from headwater.streaming.records import Changed, Ranked, Triggered

        for event in events:
            if isinstance(event, Triggered) and not self._open:
                names = ", ".join(name for name, _ in event.metrics[:3])
                self._line(event.time, "trigger", f"changed since {self._clock(event.onset)}: {names}")
            elif isinstance(event, Ranked):
                self._ranked(event)
            elif isinstance(event, Changed) and event.action not in {"ranked", "extended"}:
                self._changed(event)

    def _clock(self, moment: float) -> str:
        minutes, seconds = divmod(round(moment - self._start), 60)
        return f"{minutes:02d}:{seconds:02d}"

    def _line(self, moment: float, what: str, text: str) -> None:
        terminal.say(f"  {self._clock(moment)}  {what:<12}{text}")

    def _ranked(self, event: "Ranked") -> None:
        from headwater.streaming import wording

        first = event.metrics[0] if event.metrics else None
        service = f"{event.services[0].entity} {event.services[0].score:.2f}, " if event.services else ""
        named = (
            f"{wording.firmness(event.answer)} {service}{first.name} {first.score:.2f}" if first else "no cause named"
        )
        why = "; ".join(filter(None, (event.rca, wording.doubt(event.answer))))
        self._line(event.time, f"batch {event.batch}", f"{named}  ({why})")

    def _changed(self, event: "Changed") -> None:
        incident = event.incident
        if incident.closed is None:
            self._open.add(incident.id)
        else:
            self._open.discard(incident.id)
        told = {"opened": f"the walk starts at {incident.kpi or 'the joint anomaly'}"}
        told["converged"] = f"{incident.cause}, confidence {incident.confidence:.0%}"
        self._line(
            event.time, incident.id, f"{event.action}: {told[event.action]}" if event.action in told else event.action
        )
        if event.action == "converged" and incident.path:
            self._line(event.time, "path", " → ".join(incident.path))


def demo(
    seed: Annotated[int | None, typer.Option("--seed", min=1, help="Which run; else one is drawn and printed.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard, no browser; ends by itself.")] = False,
    as_json: Json = False,
    store: Store = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Start the dashboard, but open no browser.")] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the dashboard.")] = cli_dashboard.PORT,
    quiet_run: Annotated[bool, typer.Option("--quiet-run", hidden=True, help="Six hours without a fault.")] = False,
) -> None:
    """Simulate an LLM-serving system with a fault, find the cause, and compare it with the truth. Needs no Kafka."""
    from headwater.streaming.demo import perform

    seed = seed if seed is not None else 1 + secrets.randbelow(SEEDS)
    watched = sys.stdout.isatty() and not headless and not as_json
    worker = logging.getLogger("headwater.worker")
    with ExitStack() as stack:
        stack.callback(worker.setLevel, worker.level)
        worker.setLevel(logging.ERROR)  # the story tells what matters
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headwater-demo-"))
        url = _fresh(store) if store else f"sqlite:///{folder}/demo.db"
        server = stack.enter_context(cli_dashboard.served(url, port)) if watched else None
        if not as_json:
            terminal.say(f"  headwater demo, seed {seed}: no Kafka, no account, nothing leaves this machine")
        story = None if as_json else Story(watched)
        recording, verdict = perform(seed, url, quiet=QUIET if quiet_run else 0.0, audience=story)
        if as_json:
            terminal.say_json(verdict)
        else:
            _truth(recording, verdict)
        if server is not None:
            cli_dashboard.wait_until_up(server, port)
            address = f"http://{cli_dashboard.LOOPBACK}:{port}"
            terminal.say(f"\n  dashboard   {address}  (Ctrl-C ends it)")
            if not no_browser:
                webbrowser.open(address)
            server.wait()


def _fresh(store: str) -> str:
    """Return the URL of a store that is not there yet: a second run would go on where the first one ended."""
    path = Path(store.removeprefix("sqlite:///"))
    if path.exists():
        raise InputError(f"--store: {path} exists already", "the demo wants a store of its own", "name another file")
    return f"sqlite:///{path}"


def _truth(recording: "Recording", verdict: dict[str, Any]) -> None:
    """Print what was injected, and whether it was found."""
    truth, rank = recording.truth, verdict["rank"]
    if truth is None:
        terminal.say(f"  truth       no fault was injected; incidents: {verdict['incidents']}")
        return
    right = "correct" if rank == 1 else f"wrong: it is suspect {rank}" if rank else "wrong: it was not found"
    terminal.say(f"  truth       {truth.fault} at {truth.service}, seen first in {truth.metric}: {right}")
    nsigma = verdict["rank_nsigma"]
    plain = f"{nsigma:g}" if nsigma else "none, since nothing was opened"
    terminal.say(f"              rank of the service by plain N-Sigma on the same window: {plain}")
    terminal.say("  next        headwater replay metrics.csv · headwater doctor · headwater config init")
