"""The store in a database, SQLite or PostgreSQL: one schema, one writer, many readers."""
