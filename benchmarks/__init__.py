"""Reproducible measurements, each a command that prints a table."""
