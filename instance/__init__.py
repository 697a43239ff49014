"""An embedded CDP instance: a real HTTP server on SQLite that is driven by the contract files."""
