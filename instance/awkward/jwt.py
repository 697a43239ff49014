"""Tokens as long as those that carry a caller's rights along."""

from __future__ import annotations

import base64
import hashlib

import orjson

from instance.awkward.kind import Answer, Kind, Request
from instance.awkward.tokens import HANDED_OUT

CLAIMS = 60


class Jwt(Kind):
    name = "jwt"
    sentence = (
        "tokens are 1,500 to 2,500 characters long and hold dots, +, / and =; a login says more about them and the user"
    )
    allowed = (
        "the contract's token is a text of any length; RFC 6750 section 2.1 has these characters; answers are open"
    )

    count = 0

    def after(self, request: Request, answer: Answer) -> None:
        handed_out = request.operation is not None and request.operation.id in HANDED_OUT
        value = answer.value
        if not handed_out or not isinstance(value, dict) or not isinstance(value.get("token"), str):
            return
        token = self._long(value["token"])
        old, new = (hashlib.sha256(each.encode()).digest() for each in (value["token"], token))
        with self.world.store.transaction() as connection:
            connection.execute("UPDATE token SET hash=? WHERE hash=?", (new, old))
        user = {"id": None, "name": "whoever logged in", "token": None}
        answer.value = {"token_type": "X-Access-Token", "expires_in": None, "user": user, **value, "token": token}

    def _long(self, token: str) -> str:
        self.count += 1
        size = self.rng.randrange(CLAIMS // 2, CLAIMS)
        claims = {f"may_{number}": self.rng.getrandbits(64) for number in range(size)}
        parts = (orjson.dumps(each) for each in ({"alg": "EdDSA", "typ": "JWT"}, {"n": self.count, **claims}))
        head, body = (base64.b64encode(each + b"?>~").decode() for each in parts)
        return f"{head}.{body}.{token}+/="
