"""The simulated server on a socket: faults of the wire, routes and control."""
