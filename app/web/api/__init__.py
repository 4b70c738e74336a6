"""The native API: a contract, written down in openapi.json."""
