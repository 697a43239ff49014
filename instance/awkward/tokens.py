"""Tokens that run out in the middle of a run."""

from __future__ import annotations

import hashlib

from instance.awkward.kind import Answer, Kind, Request

HANDED_OUT = ("login_user", "refresh_token")


class Tokens(Kind):
    name = "tokens"
    sentence = "what a login or a renewal hands out has five minutes left, then it has to be renewed (token_s=)"
    allowed = (
        "section page, Authentication: a token lasts eight hours and can be renewed until four hours later; nothing "
        "says that a login issues a new one, so it may be one that has nearly run out, as a ready-made one may"
    )

    def after(self, request: Request, answer: Answer) -> None:
        handed_out = request.operation is not None and request.operation.id in HANDED_OUT
        if not handed_out or not isinstance(answer.value, dict) or "token" not in answer.value:
            return
        store = self.world.store
        ends = store.clock().timestamp() + self.world.settings.token_s
        digest = hashlib.sha256(answer.value["token"].encode()).digest()
        with store.transaction() as connection:
            connection.execute("UPDATE token SET expires=? WHERE hash=?", (ends, digest))
