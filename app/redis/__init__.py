"""Redis: clients and connections, and the embedded server that runs where none is configured."""
