"""Traces for operators: what is recorded of a request and of an answer, and where it goes, if anywhere."""
