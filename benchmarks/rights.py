"""What a team may be given on an instance of somebody else's: four kinds of rights, each as an entry of a targets.toml.

Roles and users are made through the API, as the owner of the instance would make them.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from cdp.contract import Contract
from cdp.contract.operation import is_pattern
from cdp.secrets import new_password

ROOT = Path(__file__).resolve().parent.parent
TARGET = "staging"
ENTRY = f"[targets.{TARGET}]"
EVERYTHING = 'allow = ["writes", "destructive", "sends"]'
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Rights:
    """One kind of rights: the entry of targets.toml, and the variables that hold its secrets."""

    name: str
    entry: str
    environment: Mapping[str, str] = field(repr=False)

    def write(self, directory: Path) -> Path:
        """Put the entry into a targets.toml of its own, where a run is started."""
        file = directory / "targets.toml"
        file.write_text(self.entry, encoding="utf-8")
        return file

    def run(self, directory: Path, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """A command as the team would give it: beside its targets.toml, with nothing but its own secrets."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("CDP_")}
        return subprocess.run(
            [sys.executable, "-m", "cdp", *arguments, "--target", TARGET],
            cwd=directory,
            env={**known, "PYTHONPATH": str(ROOT), **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )


class Owner:
    """Whoever may create roles and users on the instance."""

    def __init__(self, base_url: str, email: str, password: str) -> None:
        self.base_url = base_url
        self.email = email
        self.password = password
        self.token = self.login(email, password)

    def login(self, email: str, password: str) -> str:
        return str(self._call("/users/login", {"email": email, "password": password}, "")["token"])

    def token_of_role(self, features: Iterable[str], name: str) -> str:
        """A token of a new user whose new role holds exactly these features."""
        fields = {"name": name, "features": sorted(features), "invisible_attributes_tag_ids": []}
        role = self._call("/users/user_roles", fields)["role"]["id"]
        email, password = f"{name}@example.org", new_password()
        self._call("/users", {"name": name, "email": email, "password": password, "role_id": role})
        return self.login(email, password)

    def _call(self, path: str, body: dict[str, Any], token: str | None = None) -> Any:
        headers = {"X-Access-Token": self.token if token is None else token}
        answer = requests.post(self.base_url + path, json=body, headers=headers, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()


def kinds_of_rights(contract: Contract, owner: Owner, singles: Iterable[str]) -> list[Rights]:
    """From the least to the most: a token that only reads; one whose role may do everything but create users and roles;
    the same with ready-made tokens, of a role without features and of one for each of the `singles`; everything.
    """
    url = f'{ENTRY}\nbase_url = "{owner.base_url}"\n'
    by_token = url + 'token_env = "STAGING_TOKEN"\n'
    number = secrets.token_hex(3)
    limited = owner.token_of_role(features_without_users(contract), f"team-{number}")
    ready = {"STAGING_NOBODY": owner.token_of_role((), f"nobody-{number}")}
    roles = f'\n[targets.{TARGET}.roles]\nnobody = {{token_env = "STAGING_NOBODY", features = []}}\n'
    for place, feature in enumerate(singles):
        variable = f"STAGING_SINGLE_{place}"
        ready[variable] = owner.token_of_role((feature,), f"single-{place}-{number}")
        roles += f'single_{place} = {{token_env = "{variable}", features = ["{feature}"]}}\n'
    account = {"STAGING_EMAIL": owner.email, "STAGING_PASSWORD": owner.password}
    return [
        Rights("read-only", by_token, {"STAGING_TOKEN": owner.token}),
        Rights("no users", by_token + EVERYTHING, {"STAGING_TOKEN": limited}),
        Rights("ready-made roles", by_token + EVERYTHING + roles, {"STAGING_TOKEN": limited, **ready}),
        Rights("full", url + 'email_env = "STAGING_EMAIL"\npassword_env = "STAGING_PASSWORD"\n' + EVERYTHING, account),
    ]


def features_without_users(contract: Contract) -> set[str]:
    """All features but those that creating users and roles needs."""
    creating = [contract.by_action(entity, "create") for entity in ("user", "user_role")]
    needed = {f for o in creating if o is not None for f in (*o.features.any_of, *o.features.all_of)}
    return set(contract.feature_names) - needed


def most_asked(contract: Contract, count: int) -> list[str]:
    """The features that open most operations by themselves, the first ones first."""
    alone = Counter(
        minimal[0] for o in contract.operations.values() for minimal in o.features.minimal_sets() if len(minimal) == 1
    )
    return [feature for feature, _ in alone.most_common() if not is_pattern(feature)][:count]
