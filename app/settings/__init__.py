"""Settings: the environment, ``.env`` and ``arena.toml``."""
