"""A server process of the embedded instance, and how tests talk to it over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"


@dataclass
class RunningInstance:
    """A server process and how to talk to it. `base_url` ends in `/api`, `origin` is the host itself."""

    base_url: str
    email: str
    password: str
    process: subprocess.Popen[str]
    token: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def origin(self) -> str:
        """The base URL without `/api`."""
        return self.base_url.removesuffix("/api")

    def url(self, path: str, base: str = "api") -> str:
        """The full URL of a path below `/api`, or off the host with base `origin`."""
        return (self.base_url if base == "api" else self.origin) + path

    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> requests.Response:
        """Send a request below `/api` with the administrator's token or another."""
        headers = {"X-Access-Token": self.token if token is None else token, **more.pop("headers", {})}
        return self.session.request(method, self.url(path), headers=headers, timeout=30, **more)

    def get(self, path: str, token: str | None = None, **query: Any) -> Any:
        """The decoded answer of a GET that must succeed."""
        response = self.call("GET", path, token, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def login(self, email: str, password: str) -> str:
        """A token for these credentials."""
        body = {"email": email, "password": password}
        response = self.session.post(self.url("/users/login"), json=body, timeout=30)
        assert response.status_code == 200, response.text
        return str(response.json()["token"])

    def user_with(self, features: list[str], name: str) -> tuple[int, int, str]:
        """A new role with exactly these features and a user of it: role id, user id, token."""
        role = self.call(
            "POST", "/users/user_roles", json={"name": name, "features": features, "invisible_attributes_tag_ids": []}
        ).json()["role"]["id"]
        email = f"{name}@example.org"
        body = {"name": name, "email": email, "password": PASSWORD, "role_id": role}
        user = self.call("POST", "/users", json=body).json()["user"]["id"]
        return role, int(user), self.login(email, PASSWORD)


def start_instance(*arguments: str, password: str = PASSWORD) -> RunningInstance:
    """Start a server on a free port and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "instance", "--exit-with-parent", *arguments],
        cwd=ROOT,
        env={**os.environ, "CDP_ADMIN_PASSWORD": password},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    first, second = process.stdout.readline(), process.stdout.readline()
    if not second:
        process.wait(30)
        raise AssertionError(f"the instance did not start: {process.stderr.read()}")
    email, shown = second.removeprefix("Administrator: ").split(maxsplit=1)
    running = RunningInstance(first.removeprefix("Base URL: ").strip(), email, shown.rstrip("\n"), process)
    running.token = running.login(running.email, running.password)
    return running


def stop_instance(running: RunningInstance) -> int:
    """Ask a server to end and wait for it; answers its exit code."""
    running.session.close()
    running.process.terminate()
    code = running.process.wait(30)
    for stream in (running.process.stdout, running.process.stderr):
        if stream is not None:
            stream.close()
    return code
