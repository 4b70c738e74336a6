"""The way of a job to a host: placement, assignment and the host's queue."""
