"""The parts of a ranking and their weights: one frozen record, so that a benchmark can switch each of them off."""

from dataclasses import dataclass

__all__ = ["SHIPPED", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What counts how much in a ranking; 0 (False) switches a part off. The defaults are what is shipped.

    They were chosen by looking at public recordings (docs/ranking.md, "Constants"); the benchmark of root causes
    repeats the choice with each system left out.
    """

    sustained: float = 1.0  # weight of the statistic of faults that last
    sharp: float = 0.8  # weight of the statistic of faults of a row or two
    tail: float = 0.99  # quantile of quiet windows that counts 1; 0: none, statistics in scales
    clip: float = 0.98  # quantile at which squares are clipped before a scale is taken; 0: none
    silence: float = 1.0  # weight of having gone silent
    explain: float = 1.0  # how far the learned graph may lower what it explains: 0 not at all, 1 all the way
    flow: float = 1.0  # weight of the symptoms that flow from caller to callee
    amplified: float = 1.0  # weight of the calibrated estimate of what a callee accounts for
    inside_first: bool = True  # abnormal internals of a service before the symptoms that they cause
    mirrors: bool = True  # recognise a leaf that mirrors a service behind it, and add the edge


SHIPPED = Recipe()
"""The one default."""
