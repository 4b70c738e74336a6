"""The benchmark of everything a user would pick instead, side by side in one run: ``python -m benchmarks.bench``."""
