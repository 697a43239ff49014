"""CODE: the common status codes."""

from contracts.conventions.code import status_codes, wrong_bodies

__all__ = ["status_codes", "wrong_bodies"]
