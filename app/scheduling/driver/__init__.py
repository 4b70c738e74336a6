"""The driver of one host: it executes the plan and reports what it sees."""
