"""Statistics of scored films: pure functions on arrays, for audits, reports and benchmarks."""
