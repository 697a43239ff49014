"""The gate before a release: what it runs is judged here, and put down in a record of its own."""
