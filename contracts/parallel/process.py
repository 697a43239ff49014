"""A process that judges a share of a run: it is sent its kit and cells, and tells what became of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from cdp.results import ResultsError
from cdp.verdicts import Cell
from contracts.budget import OutOfTime
from contracts.parallel.share import Kit, Share
from contracts.session import Obstacle

BEAT_S = 1.0


@dataclass(frozen=True)
class Doing:
    """An operation is being judged."""

    operation: str


class Beat:
    """The process is at work."""


class Finished:
    """Every cell that was sent is judged."""


class Spent:
    """The budget ended before every cell that was sent was judged."""


class Deeper:
    """Sent in place of cells: judge those again that have more to show."""


@dataclass(frozen=True)
class Hindered:
    """Nothing more can be judged. `storing`: because results cannot be stored; else the target stands in the way."""

    sentence: str
    storing: bool


def judge_share(connection: Connection[Any, Any]) -> None:
    """Judge what comes through the connection until it is closed or says None. Ctrl-C is the other process' matter;
    SIGTERM lets the request under way end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        given: Kit | None = connection.recv()
    except EOFError:
        return
    if given is None:
        return
    share = _BeatingShare(given, connection)

    def stop(signum: int, frame: FrameType | None) -> None:
        share.session.stopping = True

    signal.signal(signal.SIGTERM, stop)
    try:
        cells: Sequence[Cell] | Deeper | None
        while (cells := connection.recv()) is not None:
            if isinstance(cells, Deeper):
                _judge_deeper(share, connection)
            else:
                _judge(share, cells, connection)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass  # the run is over
    except Obstacle as obstacle:
        connection.send(Hindered(share.secrets.redact(str(obstacle)), storing=False))
    except ResultsError as error:
        connection.send(Hindered(str(error), storing=True))
    finally:
        share.close()


def _judge(share: Share, cells: Sequence[Cell], connection: Connection[Any, Any]) -> None:
    operation = ""
    try:
        for cell in cells:
            if share.session.stopping:  # whoever got the interrupt may have swallowed it
                raise KeyboardInterrupt
            if cell.operation != operation:
                operation = cell.operation
                connection.send(Doing(operation))
            connection.send(share.told(share.judge(cell)))
    except OutOfTime:
        share.let_go()
        connection.send(Spent())
        return
    share.let_go()
    connection.send(Finished())


def _judge_deeper(share: Share, connection: Connection[Any, Any]) -> None:
    for result in share.judge_deeper():
        if share.session.stopping:
            raise KeyboardInterrupt
        connection.send(share.told(result))
    share.let_go()
    connection.send(Finished())


def _end_with_parent() -> None:
    """Whoever would clean up is gone: nothing more may be created. The ledger lists what was."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _BeatingShare(Share):
    """A share that shows that it is alive, however long a cell takes."""

    def __init__(self, given: Kit, connection: Connection[Any, Any]) -> None:
        super().__init__(given)
        self._connection = connection
        self._beaten = time.monotonic()
        self.session.beat = self._beat

    def waiting(self) -> None:
        super().waiting()
        self._beat()

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            self._connection.send(Beat())
