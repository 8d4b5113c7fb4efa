"""Settings for all tests."""

from hypothesis import HealthCheck, settings

# Timings are benchmarks, never assertions: a busy machine must not fail a property.
settings.register_profile("halfbyte", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("halfbyte")
