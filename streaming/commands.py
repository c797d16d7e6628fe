"""What people and programs may ask of a running pipeline, and when it is refused. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .case import Case
from .errors import CommandRefused, nearest
from .incidents import Stimulus
from .records import Changed, Command

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["obey"]

STIMULI: dict[str, Stimulus] = {
    "acknowledge": "acknowledge",
    "resolve": "resolve",
    "dismiss": "dismiss",
    "baseline": "outlast",
}


def obey(pipeline: "Pipeline", command: Command) -> Iterator[Changed]:
    """Do what a command asks for, after the newest row.

    Raises
    ------
    CommandRefused
        If it names what there is not, or the incident is in no state for it.
    """
    work, by, note = pipeline.work, command.by, command.note
    if command.kind == "verdict":
        _known(pipeline, command.cause, "cause", entities=True)
        yield work.verdict(command.incident, command.cause, pipeline.time, by=by, note=note)
    elif command.kind in ("confirm_edge", "forbid_edge"):
        _known(pipeline, command.cause, "cause")
        _known(pipeline, command.effect, "effect")
        if command.cause == command.effect:
            raise CommandRefused(f"{command.cause} is both ends", "an edge joins two different metrics", "name another")
        work.judge(command.cause, command.effect, confirmed=command.kind == "confirm_edge")
    else:
        case, stimulus = _meant(pipeline, command.incident), STIMULI[command.kind]
        if stimulus == "acknowledge":
            yield work.advance(case, stimulus, pipeline.time, by=by, note=note)
        else:
            closed = work.close(case, stimulus, pipeline.time, by=by, note=note)
            pipeline.settle(closed, case)
            yield closed


def _meant(pipeline: "Pipeline", incident: str) -> Case:
    """The open case that is named; without a name the only one."""
    cases = pipeline.work.cases
    found = [case for case in cases if incident in ("", case.incident.id)]
    if len(found) == 1:
        return found[0]
    opened = ", ".join(case.incident.id for case in cases)
    if found:
        raise CommandRefused("which incident is meant?", f"these are open: {opened}", "name one of them")
    what = f"{incident or 'no incident'} is not open in {pipeline.config.system}"
    one = "the open incident is" if len(cases) == 1 else "the open incidents are"
    raise CommandRefused(
        what, f"{one} {opened}" if cases else "no incident is open now", "see: headwater incidents list"
    )


def _known(pipeline: "Pipeline", name: str, part: str, *, entities: bool = False) -> None:
    """Refuse a name that is no metric, and if `entities` may be named, no entity."""
    names = [series.name for series in pipeline.series]
    known = {*names, *(series.entity for series in pipeline.series)} if entities else set(names)
    if name in known:
        return
    what = f"{pipeline.config.system} has no {'entity or metric' if entities else 'metric'} {name!r}"
    why = f"the {part} is written {'entity or ' if entities else ''}entity|metric, as in {names[0]}" if names else ""
    raise CommandRefused(what, why, nearest(name, sorted(known)) or "see: headwater doctor")
