"""Recordings: files and standard input, read as if they were a live source."""
