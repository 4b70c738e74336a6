"""Batch runs: thousands of jobs, each a chain of calls over stages, beside battles and after them."""
