"""Faults with a known cause, made from a described model, for what recordings lack."""
