"""``headwater doctor``: what is installed, set and reachable, and what an input is taken for."""

# ruff: noqa: PLC0415  (the store, the learners and Kafka load when the command runs, not for --help)

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.streaming.errors import HeadwaterError

from . import terminal
from .options import Config, Json, Kpi, Store, System, settings

if TYPE_CHECKING:
    from headwater.streaming.doctor import Finding
    from headwater.streaming.settings import Settings

__all__ = ["doctor"]


def doctor(
    file: Annotated[Path | None, typer.Argument(help="Recording to look at: Parquet, CSV or JSONL.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Topic to look at, and its broker.")] = None,
    bootstrap: Annotated[str | None, typer.Option("--bootstrap", metavar="HOST:PORT", help="Kafka broker.")] = None,
    time_column: Annotated[str | None, typer.Option("--time", metavar="COL", help="Time column of the file.")] = None,
    step: Annotated[str | None, typer.Option("--step", metavar="DUR", help="Length of a row, as in 60s.")] = None,
    kpi: Kpi = None,
    system: System = None,
    store: Store = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say what is installed and set, and what a file or a topic is taken for: time, step, entities, metrics, kinds.

    The broker is asked only with --topic or --bootstrap. The exit code is that of the first thing not well.
    """
    from headwater.streaming.doctor import installation
    from headwater.streaming.doctor import store as look_at_store

    loaded = settings(
        config,
        source__kind="file" if file else None,
        source__topic=topic,
        source__bootstrap_servers=bootstrap,
        columns__time=time_column,
        system__step=step,
        system__kpi=kpi,
        system__name=system,
        store__url=store,
    )
    findings = [*installation(config), *look_at_store(loaded)]
    more, seen = _input(loaded, file, bool(topic or bootstrap))
    findings += more
    if as_json:
        terminal.say_json({"findings": [finding._asdict() for finding in findings], "input": seen})
    else:
        _print(findings, seen)
    bad = next((finding.code for finding in findings if not finding.ok), 0)
    if bad:
        raise typer.Exit(bad)


def _input(loaded: "Settings", file: Path | None, kafka: bool) -> tuple[list["Finding"], dict[str, Any] | None]:
    """Look at a file, or at a topic, or at neither."""
    from headwater.streaming import inputs
    from headwater.streaming.doctor import Finding, broker, failed, kpis, learned, recording

    if file is None:
        return broker(loaded) if kafka else ([], None)
    try:
        with closing(inputs.replay_source(loaded, file)) as source:
            seen = recording(loaded, source.describe())
            found = [Finding("file", True, str(file)), *kpis(seen)]
            return [*found, *learned(loaded, source, source.step)], seen
    except HeadwaterError as error:
        return [failed("file", error)], None


def _print(findings: list["Finding"], seen: dict[str, Any] | None) -> None:
    """Write findings for a person."""
    from headwater.streaming.doctor import lines

    for finding in findings:
        terminal.say(f"{'ok  ' if finding.ok else 'BAD '} {finding.check:<10} {finding.said}")
        if finding.fix:
            terminal.say(f"     fix:       {finding.fix}")
    for line in lines(seen) if seen else ():
        terminal.say(f"                {line}")
