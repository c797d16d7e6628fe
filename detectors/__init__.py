"""Detectors: blocks of metrics in, evidence of change out."""

from .trigger import TriggerInfo, TriggerPoint

__all__ = ["TriggerInfo", "TriggerPoint"]
