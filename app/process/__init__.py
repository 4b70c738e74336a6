"""One process of the service: how it is wired, started, drained and supervised."""
