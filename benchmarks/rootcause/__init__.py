"""How rankings of root causes are measured: windows with a known cause, scorers, ablations."""
