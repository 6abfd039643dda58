"""Settings that hold for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Hypothesis' deadline and its too_slow check read the wall clock: on a busy machine they fail for
# nothing. All else stays as Hypothesis chose it, which is derandomised where CI is set.
settings.register_profile("relay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relay")
