"""What is counted and measured, on all workers together, and how Prometheus reads it."""
