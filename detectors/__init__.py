"""Detectors: blocks of metrics in, evidence of change out."""
