"""The proof that the suite finds what it claims to: faults are switched on one by one, and each has to be named."""
