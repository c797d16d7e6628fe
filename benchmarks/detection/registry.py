"""Every detector by its name in the rows."""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from .ours import DEFAULT, SETTINGS
from .protocol import Detector, Method

__all__ = ["PEERS", "methods"]


class _Peer(NamedTuple):
    module: str
    kind: str  # name of the class
    slow: bool = False  # below 2,000 rows/s


PEERS = {
    "mssa-released": _Peer("mssa_scored", "MssaScored"),
    "adwin": _Peer("adwin", "Adwin"),
    "pagehinkley": _Peer("pagehinkley", "PageHinkleyVote"),
    "kswin": _Peer("kswin", "Kswin", slow=True),
    "halfspacetrees": _Peer("halfspacetrees", "Trees"),
    "bocpd": _Peer("bocpd", "Bocpd"),
    "focus": _Peer("focus", "Focus"),
    "ocd": _Peer("ocd", "Ocd"),
    "t2q": _Peer("t2q", "T2Q"),
    "nsigma": _Peer("largest_z", "LargestZ"),
    "random": _Peer("blind", "Random"),
    "blind": _Peer("blind", "Blind"),
}

MSSA = {60.0: (400, 20), 300.0: (225, 15), 1.0: (200, 14)}  # T, L by seconds between rows, the best known for it


def methods(peers: tuple[str, ...] | None) -> dict[str, Method]:
    """Return ours, its settings, and the named peers; None: all."""
    chosen = PEERS if peers is None else {name: PEERS[name] for name in PEERS if name in peers}
    found = {method.name: method for method in (DEFAULT, *SETTINGS)}
    return found | {name: Method(name, _maker(name), peer.slow) for name, peer in chosen.items()}


def _maker(name: str) -> Callable[[float], Detector]:
    """Import a peer only when it is made: its package may not be there."""

    def make(interval: float) -> Detector:
        peer = PEERS[name]
        kind = getattr(import_module(f"headwater.benchmarks.peers.{peer.module}"), peer.kind)
        made: Detector = kind(*MSSA.get(interval, (200, 14))) if name == "mssa-released" else kind()
        return made

    return make
