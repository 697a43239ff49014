"""What the API promises, and the tests that hold a target to it."""
