"""Windows whose cause is known, the methods that rank it, and how a ranking is scored."""
