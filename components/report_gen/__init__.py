"""Writes what came of a run for people: one page, and the same numbers as JSON."""
