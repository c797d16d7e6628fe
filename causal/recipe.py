"""The parts of a ranking and their weights: one frozen record, so that a benchmark can switch each of them off."""

from dataclasses import dataclass

__all__ = ["SHIPPED", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What counts how much in a ranking; 0 (False) switches a part off. The defaults are what is shipped.

    They were chosen by looking at public recordings (docs/ranking.md, "Constants"); the benchmark of root causes
    repeats the choice with each system left out.
    """

    sustained: float = 1.0  # weight of the statistic of faults that go on
    sharp: float = 0.65  # weight of the statistic of faults of a row or two
    lasting: float = 1.0  # weight of a shift that fills a long window
    tail: float = 0.99  # quantile of quiet windows that counts 1; 0: none, statistics in scales
    clip: float = 0.98  # quantile at which squares are clipped before a scale is taken; 0: none
    kin: float = 10.0  # rows of its type's scale that every metric starts from
    young: float = 50.0  # rows of history at which levels and forecasts count half
    early: float = 10.0  # rows after which evidence counts half; 0: all rows alike
    silence: float = 1.0  # weight of having gone silent
    explain: float = 1.0  # how far the learned graph may lower what it explains: 0 not at all, 1 all the way
    flow: float = 1.0  # share of its symptoms that a caller passes on to its callees
    amplified: float = 1.0  # weight of the calibrated estimate of what a callee accounts for
    inside_first: bool = True  # abnormal internals of a service before the symptoms that they cause
    mirrors: bool = True  # recognise a leaf that mirrors a service behind it, and add the edge


SHIPPED = Recipe()
"""The one default."""
