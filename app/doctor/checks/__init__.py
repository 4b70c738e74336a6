"""The checks: pure functions from an observation to findings."""
