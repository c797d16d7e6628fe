"""The command line: one file a group of commands; `app` puts them together."""

from .app import main

__all__ = ["main"]
