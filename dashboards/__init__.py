"""The dashboard: reads the store, and nothing else."""
