"""The probes of hosts, Redis and the database: what they see becomes an ``Observation``."""
