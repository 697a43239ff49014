"""Where processes that somebody else has started (those of pytest-xdist) get their kits, and are told to stop.

A socket of this machine and this user alone: a kit holds tokens, which have to stand neither on disk nor on a command
line.
"""

from __future__ import annotations

import itertools
import secrets as randomness
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from contracts.parallel.share import Kit
from contracts.session import Obstacle

_ANSWER_S = 60.0


class Desk:
    """Hands out kits. `make` builds the kit for a place, with a number that no other kit has."""

    def __init__(self, make: Callable[[int, int], Kit]) -> None:
        self._make = make
        self._key = randomness.token_bytes(32)
        self._listener = Listener(authkey=self._key)
        self._numbers = itertools.count(1)
        self._open: list[Connection[Any, Any]] = []
        self._closed = False
        threading.Thread(target=self._serve, daemon=True).start()

    def address(self, place: int) -> dict[str, Any]:
        """What the process at a place has to know to come here."""
        return {"path": str(self._listener.address), "key": self._key.hex(), "place": place}

    def _serve(self) -> None:
        while not self._closed:
            try:
                connection = self._listener.accept()
            except Exception:  # of whoever did not know the key, or of the desk that is closed
                continue
            with suppress(OSError, EOFError):
                if connection.poll(_ANSWER_S):
                    connection.send(self._make(connection.recv(), next(self._numbers)))
                    self._open.append(connection)

    def stop(self) -> None:
        """Tell every process to judge no further cell."""
        for connection in self._open:
            with suppress(OSError):
                connection.send(None)

    def close(self) -> None:
        self.stop()
        self._closed = True
        with suppress(OSError):
            Client(self._listener.address, authkey=self._key).close()  # wakes the thread that waits
        self._listener.close()
        for connection in self._open:
            connection.close()


class Visit:
    """A process' connection to the desk."""

    def __init__(self, address: dict[str, Any]) -> None:
        self._connection = Client(address["path"], authkey=bytes.fromhex(address["key"]))
        self._connection.send(address["place"])

    def kit(self) -> Kit:
        """The kit. Raises Obstacle when none comes."""
        try:
            if self._connection.poll(_ANSWER_S):
                found: Kit = self._connection.recv()
                return found
        except (EOFError, OSError):
            pass
        raise Obstacle("the process that keeps the run together is gone")

    @property
    def over(self) -> bool:
        """Whether no further cell is to be judged: the desk said so, or is gone."""
        try:
            return self._connection.poll(0)
        except OSError:
            return True

    def close(self) -> None:
        self._connection.close()
