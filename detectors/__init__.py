"""Detectors: blocks of metrics in, evidence of change out."""

from .entities import EntityInfo, EntityTriggers
from .mssa_trigger import MssaTrigger
from .trigger import TriggerInfo, TriggerPoint

__all__ = ["EntityInfo", "EntityTriggers", "MssaTrigger", "TriggerInfo", "TriggerPoint"]
