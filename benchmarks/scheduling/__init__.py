"""What the drivers do for users, in simulated hours: each module here is one command that prints its figures."""
