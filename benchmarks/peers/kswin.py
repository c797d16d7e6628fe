"""KSWIN (Raab, Heusinger and Schleif, Neurocomputing 2020) from river, one per metric: a Kolmogorov-Smirnov test of the
newest 30 samples against 30 drawn from the 70 before them. Some 0.13 ms per metric and row: it runs on 5,000 rows.
"""

from functools import partial

from river.drift import KSWIN

from .vote import Vote

__all__ = ["Kswin"]


class Kswin(Vote):
    """Votes of KSWIN as river ships it (alpha .005, window 100), drawing with seed 1."""

    def __init__(self) -> None:
        super().__init__(partial(KSWIN, seed=1))
