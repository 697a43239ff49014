"""`cdp spec` with all its commands."""

from __future__ import annotations

from cdp.cli.overlays import confirm_command, diff_command, import_command
from cdp.cli.spec import spec

spec.add_command(diff_command)
spec.add_command(confirm_command)
spec.add_command(import_command)

__all__ = ["spec"]
