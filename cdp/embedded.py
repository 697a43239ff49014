"""Starting the embedded instance as a process of its own, the way a user would, and reading where it listens.

The suite knows nothing of the instance but its command line: it is a base URL and an account, like any other target.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp.secrets import new_password
from cdp.targets import EMBEDDED, PERMISSIONS, Credentials, Peak, Target, TargetError

READY_DEADLINE_S = 60.0
STOP_DEADLINE_S = 5.0
PEAK = Peak(rate=50, time="60s", slo="p99<1s,errors<0.1%")  # which any machine bears
ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def embedded_instance(*options: str, timeout_s: float = 10.0) -> Iterator[Target]:
    """Run an instance on a free port of 127.0.0.1 for as long as the context lasts.

    `options` go to its command line. Raises TargetError when it does not come up within a minute.
    """
    password = new_password()
    environment = {
        **os.environ,
        "CDP_ADMIN_PASSWORD": password,
    }  # not on the command line, where every process could read it
    command = [sys.executable, "-m", "instance", "--port", "0", "--exit-with-parent", *options]
    # A session of its own: Ctrl-C is for the suite, which stops the instance after it has cleaned up.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )
    errors: list[str] = []
    try:
        base_url, email = _announcement(process, errors)
        allow = frozenset(PERMISSIONS)  # the instance is ours and holds made-up data
        account = Credentials(email=email, password=password)
        disposable = "--data" not in options
        yield Target(EMBEDDED, base_url, account, allow, timeout_s, disposable=disposable, peak=PEAK)
    finally:
        process.terminate()
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_DEADLINE_S)


def _announcement(process: subprocess.Popen[str], errors: list[str]) -> tuple[str, str]:
    """Wait for the two lines that say where the instance listens and who may log in."""
    lines: queue.Queue[str | None] = queue.Queue()

    def pump_output() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def pump_errors() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            errors.append(line.rstrip())
            del errors[:-50]

    reader = threading.Thread(target=pump_errors, daemon=True)
    reader.start()
    threading.Thread(target=pump_output, daemon=True).start()
    deadline = time.monotonic() + READY_DEADLINE_S
    base_url = email = ""
    while not (base_url and email):
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TargetError(f"the embedded instance was not ready within {READY_DEADLINE_S:g} s") from None
        if line is None:
            reader.join(1.0)
            raise TargetError("the embedded instance stopped at once: " + (errors[-1] if errors else "it said nothing"))
        label, _, value = line.strip().partition(": ")
        if label == "Base URL":
            base_url = value
        elif label == "Administrator":
            email = value.split()[0]
    return base_url, email
