"""Doubles of the scheduler's ports for tests and benchmarks."""
