"""The generator judges itself: how its processes and its machine were, and whether they were the limit of a run."""
