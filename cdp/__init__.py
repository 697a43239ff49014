"""What the other packages of the suite share: targets, HTTP, verdicts, results and the command line."""

__version__ = "0.1.0"
