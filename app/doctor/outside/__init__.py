"""A deployment as its users have it: through whatever stands between them and the arena."""
