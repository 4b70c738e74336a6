"""Running battles: the store (document and log), the hub that viewers read from, and the manager."""
