"""What a learner is. Everything above this floor is written in these few words."""

from .contracts import Block, Learner, Snapshot
from .kernels import kernel
from .state import SnapshotError, decode, encode, restore, take
from .window import Ring

__all__ = [
    "Block",
    "Learner",
    "Ring",
    "Snapshot",
    "SnapshotError",
    "decode",
    "encode",
    "kernel",
    "restore",
    "take",
]
