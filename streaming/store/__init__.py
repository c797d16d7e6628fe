"""The store: `writer` is the one process that writes, `reader` is everybody else."""
