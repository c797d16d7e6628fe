"""A simulated LLM-serving system in discrete events and queues, for the demo and its benchmark.

It imports nothing from `detectors` or `causal`, and no metric is written down: metrics are read from queues,
measured completions and meters, once a second. See docs/simulator.md.
"""

from .faults import FAULTS, Fault
from .plans import EPOCH, Plan, Truth, plan, scenario_plan
from .runs import Recording, play, scenario, simulate
from .system import EDGES, KPI, System

__all__ = [
    "EDGES",
    "EPOCH",
    "FAULTS",
    "KPI",
    "Fault",
    "Plan",
    "Recording",
    "System",
    "Truth",
    "plan",
    "play",
    "scenario",
    "scenario_plan",
    "simulate",
]
