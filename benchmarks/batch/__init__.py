"""How batch runs are scheduled, in virtual time: ``python -m benchmarks.batch``."""
