"""AUTH: a token on every request, how it is got, renewed and ended."""

from contracts.conventions.auth import authentication, elsewhere, logging_in, refusals, refused_writes, renewals

__all__ = ["authentication", "elsewhere", "logging_in", "refusals", "refused_writes", "renewals"]
