"""Page-Hinkley (Page, Biometrika 1954) from river, one per metric: a CUSUM of departures from the running mean."""

from functools import partial

from river.drift import PageHinkley

from .vote import Vote

__all__ = ["PageHinkleyVote"]


class PageHinkleyVote(Vote):
    """Votes of Page-Hinkley as river ships it, in both directions, but for a threshold of 100.

    River's 50 and 200 were tried, too: 100 is the best for it on skab, and all are alike on the other sets.
    """

    def __init__(self) -> None:
        super().__init__(partial(PageHinkley, threshold=100.0))
