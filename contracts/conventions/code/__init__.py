"""CODE: the common status codes."""

from contracts.conventions.code import errors, status_codes, wrong_bodies

__all__ = ["errors", "status_codes", "wrong_bodies"]
