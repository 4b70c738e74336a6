"""The SQL database: engines for SQLite and PostgreSQL, transactions, and the schema's migrations."""
