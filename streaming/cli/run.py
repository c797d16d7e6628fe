"""``headwater run`` and ``headwater replay``: the same worker over a topic and over a file."""

# ruff: noqa: PLC0415  (Kafka, the learners and the store load when a command runs, not for --help)

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.streaming.errors import SettingsError

from . import terminal
from .options import Baseline, Config, Json, Kpi, Store, System, settings, split

if TYPE_CHECKING:
    from headwater.streaming.records import Event
    from headwater.streaming.runner import Summary
    from headwater.streaming.settings import Settings
    from headwater.streaming.store.reader import Reader

__all__ = ["replay", "run"]

FOUND = 4
INTERRUPTED = 130
IN_MEMORY = "sqlite://"
EVERY = 1_000_000  # incidents of one replay


class Stop:
    """Set by SIGTERM and Ctrl-C: the worker commits and ends. A second Ctrl-C ends it at once.

    As long as no worker has asked, there is nothing to commit, and nobody to wait for while it tries to reach a
    broker that is away: the command ends at once.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._asked = False

    def __call__(self) -> bool:
        """Say whether to stop."""
        self._asked = True
        return self.signal != 0

    def handle(self, number: int, _: object) -> None:
        """Be the signal's handler."""
        if self.signal == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        if not self._asked:
            raise SystemExit(INTERRUPTED if number == signal.SIGINT else 0)
        terminal.note("stopping: committing what is done")

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Handle SIGTERM and SIGINT inside the block."""
        former = {number: signal.signal(number, self.handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def tell(events: "Sequence[Event]") -> None:
    """Write what changed about incidents to stderr."""
    from headwater.streaming.records import Changed

    from .report import headline

    for event in events:
        if isinstance(event, Changed) and event.action != "ranked":
            terminal.note(f"{terminal.utc(event.time)}  {event.action}: {headline(event.incident)}")


def log() -> None:
    """Write our own log to stderr. Kafka's client logs several lines a second in an outage; our alarms say it once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: not record.name.startswith("kafka."))
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(handlers=[handler], format=form, level=logging.INFO)


def run(
    config: Config = None,
    bootstrap: Annotated[str | None, typer.Option("--bootstrap", metavar="HOST:PORT", help="Kafka broker.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Topic with the measurements.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="earliest, latest or a time, where no offset is stored yet.")
    ] = None,
    kpi: Kpi = None,
    system: System = None,
    baseline: Baseline = None,
    baseline_file: Annotated[
        Path | None,
        typer.Option("--baseline-file", metavar="PATH", help="Recording of quiet time to learn from first."),
    ] = None,
    store: Store = None,
) -> None:
    """Watch a Kafka topic until it is told to stop. SIGTERM: commits and exits 0 within 10 s."""
    log()
    begin, end = split(baseline)
    loaded = settings(
        config,
        source__kind="kafka",
        source__bootstrap_servers=bootstrap,
        source__topic=topic,
        source__start=start,
        system__name=system,
        system__kpi=kpi,
        baseline__path=baseline_file,
        baseline__start=begin,
        baseline__end=end,
        store__url=store,
    )
    if (loaded.baseline.start or loaded.baseline.end) and loaded.baseline.path is None:
        mend = "add --baseline-file PATH: a topic cannot be read twice"
        raise SettingsError("--baseline needs a recording", "for a topic it says which part of a file is quiet", mend)
    watch_topic(loaded)


def watch_topic(loaded: "Settings") -> None:
    """Watch until a signal comes."""
    from headwater.streaming import inputs, runner
    from headwater.streaming.store.writer import Store as Writer

    # the broker before the learners, which take a second to load; the store last, so that no error leaves an empty one
    with Stop().listening() as stop, closing(inputs.kafka_source(loaded)) as source:
        from headwater.streaming import build

        monitor, quiet = build.monitor(loaded), inputs.baseline(loaded)
        with (
            Writer(loaded.store.url, retention=inputs.retention(loaded)) as writer,
            closing(inputs.kafka_sink(loaded)) as sink,
        ):
            inputs.refuse_recordings(loaded, [topic for topic, _ in writer.load().offsets])
            terminal.note(f"watching {loaded.source.topic} at {loaded.source.bootstrap_servers}; {loaded.store.url}")
            runner.run(source, monitor, writer, sink, settings=loaded, stop=stop, watch=tell, baseline=quiet)
    if stop.signal == signal.SIGINT:
        raise typer.Exit(INTERRUPTED)


def replay(
    file: Annotated[Path, typer.Argument(help="Parquet, CSV or JSONL; - is stdin.", allow_dash=True)],
    time_column: Annotated[
        str | None, typer.Option("--time", metavar="COL", help="Time column; else it is found.")
    ] = None,
    step: Annotated[str | None, typer.Option("--step", metavar="DUR", help="Length of a row, as in 60s.")] = None,
    baseline: Baseline = None,
    kpi: Kpi = None,
    system: System = None,
    store: Store = None,
    config: Config = None,
    as_json: Json = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 4 if an incident was found.")] = False,
) -> None:
    """Play a recording through the worker. Without --store nothing is kept but what is printed."""
    loaded = settings(
        config,
        source__kind="file",
        columns__time=time_column,
        system__step=step,
        system__name=system,
        system__kpi=kpi,
        store__url=store,
    )
    span = baseline if baseline or loaded.baseline.path else loaded.baseline.span
    stop = Stop()
    found = play(loaded, file, span, loaded.store.url if store else IN_MEMORY, as_json, stop)
    if store is None:
        terminal.note("nothing was kept; --store replay.db keeps it for: headwater dashboard replay.db")
    if exit_code and found:
        raise typer.Exit(FOUND)
    if stop.signal == signal.SIGINT:
        raise typer.Exit(INTERRUPTED)


def play(loaded: "Settings", file: Path, span: str | None, url: str, as_json: bool, stop: Stop | None = None) -> int:
    """Play a file whose part `span` is its baseline, print what was found, and return how many incidents there are."""
    from headwater.streaming import build, inputs, runner
    from headwater.streaming.store.writer import Store as Writer

    started, stop = time.monotonic(), stop or Stop()
    source = inputs.replay_source(loaded, file, span)
    quiet = source.baseline() if span else inputs.baseline(loaded)
    monitor = build.monitor(loaded, step=source.step)
    with (
        stop.listening(),
        Writer(url, retention=inputs.retention(loaded)) as writer,
        bar(source.rows) as show,
    ):
        source.claim([topic for topic, _ in writer.load().offsets])

        def done() -> int:
            return source.rows - int(source.lag()["records"])

        def watch(events: "Sequence[Event]") -> None:
            show(done())
            if not as_json:
                tell(events)

        summary = runner.run(source, monitor, writer, None, settings=loaded, stop=stop, watch=watch, baseline=quiet)
        found = result(writer.reader(), summary, time.monotonic() - started, as_json)
    if not summary.ended:
        more = "" if url == IN_MEMORY else "; the same command goes on"
        terminal.note(f"stopped after {done()} of {source.rows} rows{more}")
    return found


@contextmanager
def bar(rows: int) -> Iterator[Callable[[int], None]]:
    """Show how many of the rows are done, on a terminal."""
    with terminal.progress() as progress:
        task = progress.add_task("rows", total=rows)
        yield lambda done: progress.update(task, completed=done)


def result(reader: "Reader", summary: "Summary", seconds: float, as_json: bool) -> int:
    """Print what a replay found, also before it was interrupted; return how many incidents that is."""
    from .report import REPORT_VERSION, headline

    incidents = sorted(reader.incidents(limit=EVERY), key=lambda incident: incident.opened)
    if as_json:
        late = reader.late()
        found = [
            {
                "incident": incident,
                "late": (incident.system, incident.id) in late,
                "ranking": next(iter(reader.rankings(incident.system, incident.id)[::-1]), None),
            }
            for incident in incidents
        ]
        done = {**summary._asdict(), "seconds": round(seconds, 3)}
        terminal.say_json({"schema": REPORT_VERSION, "summary": done, "incidents": found})
    else:
        for incident in incidents:
            terminal.say(f"{terminal.utc(incident.onset)}  {headline(incident)}")
    speed = f"{summary.rows / seconds:.0f} rows/s" if seconds else ""
    terminal.note(f"{summary.rows} rows in {seconds:.1f} s ({speed}); incidents: {len(incidents)}")
    if summary.dead_letters:
        terminal.note(f"{summary.dead_letters} records could not be used; see: headwater doctor FILE")
    if summary.ended and not summary.records:
        terminal.note("the store holds all of this recording already; another --store plays it again")
    return len(incidents)
