"""Tells others what came of single requests: Locust's `request` events, and the first exchange of each way in which the
contract was broken."""

from __future__ import annotations

import time
from typing import Any

from locust.env import Environment

from cdp.secrets import Secrets
from load.answer import Answer
from load.scenario import Outcome, Shot
from load.wire.reporting import others_listen

_SHOWN = 4000  # bytes of a body
_MOST = 100


class RequestFailed(Exception):
    """What Locust's failure table shows of a request that was not good."""


class Witness:
    """Fires `request` events for failures always, and for good answers when anybody but Locust's own statistics
    listens (`wants_all`). Every text goes through the secrets of the run."""

    def __init__(self, environment: Environment, secrets: Secrets) -> None:
        self._fire = environment.events.request.fire
        self._secrets = secrets
        self._wall_s = time.time() - time.monotonic()
        self._seen: set[tuple[str, str, str]] = set()
        self._findings: list[dict[str, Any]] = []
        self.wants_all = others_listen(environment)

    def good(self, shot: Shot, intended_ns: int, answer: Answer) -> None:
        """A good answer, for those who listen."""
        self._event(shot, intended_ns, answer, None)

    def failed(self, shot: Shot, intended_ns: int, answer: Answer, outcome: Outcome) -> None:
        """A request that was not good."""
        requirement = f"{outcome.requirement}: " if outcome.requirement else ""
        text = self._secrets.redact(f"{requirement}{outcome.error}")
        self._event(shot, intended_ns, answer, RequestFailed(text))
        key = (outcome.requirement, shot.name, outcome.error)
        if outcome.requirement and key not in self._seen and len(self._seen) < _MOST:
            self._seen.add(key)
            self._findings.append(self._finding(shot, answer, outcome))

    def take_findings(self, start_ns: int) -> list[dict[str, Any]]:
        """What was found since this was asked last; times in seconds from the start of the schedule."""
        found, self._findings = self._findings, []
        return [{**each, "at_s": round((each["at_s"] - start_ns) / 1e9, 3)} for each in found]

    def _event(self, shot: Shot, intended_ns: int, answer: Answer, exception: Exception | None) -> None:
        self._fire(
            request_type=shot.method,
            name=shot.name,
            response_time=(answer.done_ns - intended_ns) / 1e6,
            response_length=len(answer.body),
            response=answer,
            context={"scenario": shot.scenario},
            exception=exception,
            start_time=self._wall_s + intended_ns / 1e9,
            url=_target_of(shot.request),
        )

    def _finding(self, shot: Shot, answer: Answer, outcome: Outcome) -> dict[str, Any]:
        head, _, body = shot.request.partition(b"\r\n\r\n")
        return {
            "requirement": outcome.requirement,
            "sentence": self._secrets.redact(outcome.error),
            "method": shot.method,
            "name": shot.name,
            "at_s": answer.done_ns,
            "exchange": {
                "request": {"head": self._text(head), "body": self._text(body)},
                "response": {
                    "status": answer.status,
                    "failure": answer.failure.value if answer.failure else "",
                    "headers": [[self._text(name), self._text(value)] for name, value in answer.headers],
                    "body": self._text(answer.body),
                },
            },
        }

    def _text(self, data: bytes) -> str:
        return self._secrets.redact(data[:_SHOWN].decode("utf-8", "backslashreplace"))


def _target_of(request: bytes) -> str:
    """Path and query of an encoded request."""
    return request.split(b" ", 2)[1].decode("latin-1")
