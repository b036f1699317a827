"""How long to look: a moment in `make test`, ten minutes and more in `make fuzz`."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, settings

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
# An example that takes longer than the deadline fails: a hang is a fault as well.
_COMMON = settings(deadline=timedelta(seconds=5), suppress_health_check=_SLOW, print_blob=True)

settings.register_profile("quick", _COMMON, max_examples=150, derandomize=True, database=None)
settings.register_profile("long", _COMMON, max_examples=100_000)
settings.load_profile("quick")
