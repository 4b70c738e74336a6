"""The log: how it is written, and lines that repeat."""
