"""How triggers are measured: recordings, injected faults, scorers, the sweep."""
