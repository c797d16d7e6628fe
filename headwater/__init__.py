"""Headwater: find the source of a failure upstream, while the failure is still running."""

__all__ = ["__version__"]

__version__ = "0.1.0"
