"""Pure planning: what a host does next, and how long those who wait will wait."""
