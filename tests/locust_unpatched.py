"""Import this before anything of Locust: Locust then leaves the standard library as it is, for the tests that run
servers in threads. Programs that tests start are not affected."""

from __future__ import annotations

import os

_SWITCH = "LOCUST_SKIP_MONKEY_PATCH"
_before = os.environ.get(_SWITCH)
os.environ[_SWITCH] = "1"
import locust  # noqa: E402

if _before is None:
    del os.environ[_SWITCH]
else:
    os.environ[_SWITCH] = _before

__all__ = ["locust"]
