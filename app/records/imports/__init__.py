"""Imports: arena JSONL back into the records."""
