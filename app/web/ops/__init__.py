"""Calls for operators: health, readiness and metrics."""
