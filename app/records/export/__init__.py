"""Exports: battles and votes as a stream of lines."""
