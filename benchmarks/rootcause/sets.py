"""The sets of the bench by name: their incidents at a given time, and windows on which nothing was wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from . import hosts, nezha, petshop
from .windows import TIMES, Time, Window

__all__ = ["SETS", "SYSTEMS", "RootCauseSet", "healthy", "incidents"]


class RootCauseSet(NamedTuple):
    """A set of incidents."""

    system: str  # whose recordings they are of
    services: bool  # whether services are at fault; else only metrics are labelled
    visible: bool  # whether only faults are in it that show in metrics


SETS = {
    "nezha_ob": RootCauseSet("nezha_ob", services=True, visible=False),
    "nezha_ob_visible": RootCauseSet("nezha_ob", services=True, visible=True),
    "nezha_tt": RootCauseSet("nezha_tt", services=True, visible=False),
    "nezha_tt_visible": RootCauseSet("nezha_tt", services=True, visible=True),
    "petshop": RootCauseSet("petshop", services=True, visible=False),
    "smd": RootCauseSet("smd", services=False, visible=False),
    "asd": RootCauseSet("asd", services=False, visible=False),
}

_INCIDENTS: dict[str, Callable[[Path, int], Iterator[Window]]] = {
    "nezha_ob": lambda data, late: nezha.incidents(data, nezha.ONLINE_BOUTIQUE, late=late),
    "nezha_tt": lambda data, late: nezha.incidents(data, nezha.TRAIN_TICKET, late=late),
    "petshop": lambda data, late: petshop.incidents(data, late=late),
    "smd": lambda data, late: hosts.incidents(data, "smd", late=late),
    "asd": lambda data, late: hosts.incidents(data, "asd", late=late),
}
_HEALTHY: dict[str, Callable[[Path], Iterator[Window]]] = {
    "nezha_ob": lambda data: nezha.healthy(data, nezha.ONLINE_BOUTIQUE),
    "nezha_tt": lambda data: nezha.healthy(data, nezha.TRAIN_TICKET),
    "petshop": petshop.healthy,
    "smd": lambda data: hosts.healthy(data, "smd"),
    "asd": lambda data: hosts.healthy(data, "asd"),
}
SYSTEMS = tuple(_INCIDENTS)
"""The recorded systems; a set is all incidents of one, or those that show in metrics."""


def incidents(data: Path, name: str, time: Time = "injected") -> Iterator[Window]:
    """Yield the windows of a set, with the time of the fault as it is, or one row late."""
    chosen = SETS[name]
    for window in _INCIDENTS[chosen.system](data, TIMES[time]):
        if window.visible or not chosen.visible:
            yield window


def healthy(data: Path, name: str) -> Iterator[Window]:
    """Yield windows of a set's system in which nothing was wrong, for specificity."""
    return _HEALTHY[SETS[name].system](data)
