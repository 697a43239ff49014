"""Ports of this machine."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])
