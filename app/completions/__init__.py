"""Answers without a battle: one model by its name, through the same queues, drivers and logs as battles."""
