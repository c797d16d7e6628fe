"""Other methods, run on the same rows as ours."""
