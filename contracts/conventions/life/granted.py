"""LIFE-01: a role holds the features that it was made with."""

from __future__ import annotations

from typing import Any

from cdp.http import Exchange
from contracts.finding import Unavailable
from contracts.subject import Subject, require


def features_are_kept(s: Subject) -> None:
    """A role that is made with every feature holds them all, but those that no role keeps: a target may not know all of
    their names. In a short profile only where a role of the run was seen to lack some."""
    read = s.session.contract.by_action(s.operation.entity, "read")
    if s.operation.entity != "user_role" or read is None or (s.quick and not s.bench.identities.held.less):
        return

    def lost(features: list[str]) -> tuple[list[str], Exchange]:
        own = s.bench.arrangement.create(str(s.operation.entity), {"features": features})
        record, exchange = s.bench.read_back(own, read)
        held: Any = record.get("features")
        return ([f for f in features if f not in held] if isinstance(held, list) else []), exchange

    names = sorted(s.session.contract.feature_names)
    try:
        missing, exchange = lost(names)
        by_name, _ = lost(missing[:1]) if missing else ([], exchange)
    except Unavailable:
        return
    sentence = f"a role was made with {len(names)} features and lacks {len(missing)} of them, {missing[:1]} among them"
    require(not missing or bool(by_name), f"{sentence}, which a role of its own keeps", exchange, "create; read")
    s.exercised()
