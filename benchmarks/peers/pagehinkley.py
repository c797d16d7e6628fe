"""Page-Hinkley (Page, Biometrika 1954) from river, one per metric: a CUSUM of departures from the running mean."""

from river.drift import PageHinkley

from .vote import Vote

__all__ = ["PageHinkleyVote"]


class PageHinkleyVote(Vote):
    """Votes of Page-Hinkley as river ships it (delta .005, threshold 50, both directions)."""

    def __init__(self) -> None:
        super().__init__(PageHinkley)
