"""One battle in the terminal, with everything that it needs started beside it."""
