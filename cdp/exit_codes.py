"""The exit codes of every command; each command's help says what they mean there."""

OK = 0
BROKEN = 1  # something was judged and is not in order
USAGE = 2  # wrong usage or configuration
NOT_JUDGED = 3  # no statement about the target: it is down, the run was cut off, nothing was exercised
