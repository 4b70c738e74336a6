"""The page: its built files, and how browsers get them."""
