"""What the store and the contract's loader promise, without a server: transactions, life of tokens, broken files."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from instance import access, records, services
from instance.calls import Refusal
from instance.contract import ROOT, Contract, ContractError
from instance.routing import Router
from instance.store import Store

NOW = datetime(2025, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time of the store."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """A store with one user, whose role may set tags."""
    services.register()
    opened = Store(tmp_path / "x.sqlite", Contract(), clock)
    role = {"id": 1, "features": ["settings/tags"], "disabled": 0, "deleted": 0}
    records.insert(opened, "user_role", None, role)
    user = {"id": 1, "role_id": 1, "email": "a@example.org", "disabled": 0, "deleted": 0}
    records.insert(opened, "user", None, user)
    yield opened
    opened.close()


def caller(store: Store, token: str) -> bool:
    """Whether the token counts."""
    return access.caller_of(store, hashlib.sha256(token.encode()).digest()) is not None


def test_token_lives_eight_hours(store: Store, clock: Clock) -> None:
    """A token counts for eight hours, can be renewed for four more, and only its hash is stored."""
    token = access.issue_token(store, 1)
    clock.now = NOW + timedelta(hours=8) - timedelta(seconds=1)
    assert caller(store, token)
    clock.now = NOW + timedelta(hours=8)
    assert not caller(store, token)
    clock.now = NOW + timedelta(hours=12) - timedelta(seconds=1)
    renewed = access.renew_token(store, token)
    assert caller(store, renewed)
    assert not caller(store, token)
    clock.now = NOW + timedelta(hours=12)
    with pytest.raises(Refusal):
        access.renew_token(store, token)
    assert token.encode() not in Path(store.path).read_bytes() + Path(f"{store.path}-wal").read_bytes()


def test_transactions_nest(store: Store) -> None:
    """What an inner transaction did goes with its failure, the outer one goes on; a failed outer one leaves nothing."""
    with store.transaction():
        records.insert(store, "tag", None, {"id": 1})
        with pytest.raises(ZeroDivisionError), store.transaction():
            records.insert(store, "tag", None, {"id": 2})
            raise ZeroDivisionError
        records.insert(store, "tag", None, {"id": 3})
    assert [each["id"] for each in records.all_of(store, "tag")] == [3, 1]
    with pytest.raises(ZeroDivisionError), store.transaction():
        records.insert(store, "tag", None, {"id": 4})
        raise ZeroDivisionError
    assert not records.exists(store, "tag", 4)
    with pytest.raises(Refusal):
        records.insert(store, "tag", None, {"id": 3})
    assert records.next_integer_id(store, "tag") == 4


def test_one_server_per_file(store: Store) -> None:
    """A file that is open cannot be opened again."""
    with pytest.raises(Exception, match="locked"):
        Store(store.path, store.contract)


def test_routes_keep_their_order(store: Store) -> None:
    """Every operation is found at its own path, whatever the ids are called."""
    router = Router(store.contract.operations.values())
    for operation in store.contract.operations.values():
        filled = operation.path
        for parameter in operation.path_parameters:
            filled = filled.replace("{" + parameter.name + "}", "some%20id%2F")
        found = router.find((("/api" if operation.base == "api" else "") + filled).encode())
        assert found is not None
        assert found[0][operation.method] is operation
        assert found[1] == ["some id/"] * len(operation.path_parameters)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("openapi.yaml", "paths:\n", "paths: [\n"),
        ("openapi.yaml", "sections/tags.yaml#/paths/~1tags}", "sections/nothing.yaml#/paths/~1tags}"),
        ("openapi.yaml", "sections/tags.yaml#/paths/~1tags}", "sections/tags.yaml#/paths/~1nothing}"),
        ("sections/tags.yaml", "\n    Tag:", "\n    Flag01:"),
    ],
)
def test_broken_contract(tmp_path: Path, file: str, old: str, new: str) -> None:
    """A contract that cannot be read is one clear error that names the file."""
    root = tmp_path / "openapi"
    shutil.copytree(ROOT.parent, root)
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ContractError, match=r"\.yaml"):
        Contract(root / "openapi.yaml")
