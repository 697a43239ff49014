"""Who the peers log in as."""

from __future__ import annotations

from dataclasses import dataclass, field

import requests

from benchmarks.peers.contest import PeerError
from cdp.secrets import new_password
from cdp.targets import Target

_DEADLINE_S = 30.0
_NOBODY = "nobody@example.com"


@dataclass(frozen=True)
class Account:
    """An account of the instance."""

    email: str
    password: str = field(repr=False)


def token(target: Target, account: Account) -> str:
    """A new token. Raises PeerError."""
    answer = _post(f"{target.base_url}/users/login", {"email": account.email, "password": account.password}, "")
    return str(answer.get("token", ""))


def administrator(target: Target) -> Account:
    """The account that the instance was started with."""
    return Account(target.credentials.email, target.credentials.password)


def nobody(target: Target, admin_token: str) -> Account:
    """A new account whose role has no feature. Raises PeerError."""
    role = _post(
        f"{target.base_url}/users/user_roles",
        {"name": "nobody", "features": [], "invisible_attributes_tag_ids": []},
        admin_token,
    )
    account = Account(_NOBODY, new_password())
    body = {"name": "nobody", "email": account.email, "password": account.password, "role_id": role["role"]["id"]}
    _post(f"{target.base_url}/users", body, admin_token)
    return account


def _post(url: str, body: dict[str, object], admin_token: str) -> dict[str, dict[str, int]]:
    headers = {"X-Access-Token": admin_token} if admin_token else {}
    try:
        answer = requests.post(url, json=body, headers=headers, timeout=_DEADLINE_S)
        found = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise PeerError(f"POST {url} did not answer: {type(error).__name__}") from None
    if not answer.ok or not isinstance(found, dict):
        raise PeerError(f"POST {url} answered {answer.status_code}")
    return found
