"""Errors that say a lot."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request


class Problems(Kind):
    name = "problems"
    sentence = "errors carry a code, the address that was asked for, a link, and nested lists of what is wrong"
    allowed = "the contract's Error needs a text under message and is open; RFC 9457 section 3 has such members"

    count = 0

    def after(self, request: Request, answer: Answer) -> None:
        value = answer.value if answer.status >= 400 else None
        if not isinstance(value, dict):
            return
        self.count += 1
        path = request.scope["raw_path"].decode("ascii", "replace")
        members = {
            "type": f"https://docs.example.com/app/errors/{answer.status}",
            "title": "Request refused",
            "status_code": answer.status,
            "code": f"E{answer.status}-{self.rng.randrange(100):02d}",
            "instance": path,
            "errors": [{"loc": ["body", 0, "name"], "msg": "not accepted", "ctx": {"limit": None, "given": []}}],
            "request_id": f"{self.count:08d}-{self.rng.getrandbits(32):08x}",
            "timestamp": self.world.store.clock().strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "user": None,
        }
        for name, member in members.items():
            value.setdefault(name, member)
        answer.changed = True
