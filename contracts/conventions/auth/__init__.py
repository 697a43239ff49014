"""AUTH: a token on every request, how it is got, renewed and ended."""

from contracts.conventions.auth import authentication, logging_in, renewals

__all__ = ["authentication", "logging_in", "renewals"]
