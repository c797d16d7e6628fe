"""Root causes: which metric and which service started it, and how it got to the KPI."""
