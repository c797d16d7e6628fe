"""ADWIN (Bifet and Gavaldà, SDM 2007) from river, one per metric: the two parts of a window differ in the mean."""

from river.drift import ADWIN

from .vote import Vote

__all__ = ["Adwin"]


class Adwin(Vote):
    """Votes of ADWIN as river ships it (delta .002)."""

    def __init__(self) -> None:
        super().__init__(ADWIN)
