"""Progressive Arena: blind, side-by-side battles between local models, and the votes they earn."""

__version__ = "0.1.0"
