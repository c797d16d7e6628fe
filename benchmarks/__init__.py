"""Benchmarks that reproduce every number we print, each with its peers in the same run."""
