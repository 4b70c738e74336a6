"""The probes: read-only looks at hosts, Redis and the database."""
