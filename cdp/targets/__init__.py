"""What a run is aimed at: the base URL, how to get a token, what may be done there, and how fast.

Without more, a target is read-only: nothing is written, deleted, sent or loaded unless it is allowed by name.
"""

from cdp.targets.file import (
    DEFAULT_FILE,
    TARGETS_VARIABLE,
    Entry,
    load_target,
    read_targets,
    targets_path,
)
from cdp.targets.model import (
    EMAIL_VARIABLE,
    EMBEDDED,
    PASSWORD_VARIABLE,
    PERMISSIONS,
    TOKEN_VARIABLE,
    Credentials,
    Peak,
    ReadyRole,
    Target,
    TargetError,
    check_permissions,
    guard_production,
    parse_base_url,
    parse_permissions,
    read_only,
    target_from_url,
)

__all__ = [
    "DEFAULT_FILE",
    "EMAIL_VARIABLE",
    "EMBEDDED",
    "PASSWORD_VARIABLE",
    "PERMISSIONS",
    "TARGETS_VARIABLE",
    "TOKEN_VARIABLE",
    "Credentials",
    "Entry",
    "Peak",
    "ReadyRole",
    "Target",
    "TargetError",
    "check_permissions",
    "guard_production",
    "load_target",
    "parse_base_url",
    "parse_permissions",
    "read_only",
    "read_targets",
    "target_from_url",
    "targets_path",
]
