"""The shell: the only room with I/O, and the only one that knows all others."""
