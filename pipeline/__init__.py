"""Configuration, gates, wiring and reports of the pipeline."""
