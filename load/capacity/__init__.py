"""How much a target sustains: steps of a fixed rate, a search over them, and an answer with an interval."""
