"""More headers than anybody reads."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request

COUNT = 60
POLICY = b"default-src 'none'; connect-src " + b" ".join(b"https://node-%d.example.com" % n for n in range(120))


class ManyHeaders(Kind):
    name = "many_headers"
    sentence = (
        "answers carry sixty headers more, one of 4 KB, an empty one, one with letters that are not ASCII, and limits "
        "of requests that have been used up; a 401 has two challenges"
    )
    allowed = "RFC 9110 sections 5.1, 5.4, 5.5 and 11.6.1: clients ignore headers that they do not know"

    def after(self, request: Request, answer: Answer) -> None:
        answer.headers += [
            *((b"x-trace-%d" % number, b"%016x" % self.rng.getrandbits(64)) for number in range(COUNT)),
            (b"content-security-policy", POLICY),
            (b"x-empty", b""),
            (b"x-node", "Žižkov ß".encode()),
            (b"keep-alive", b"timeout=5, max=1000"),
            (b"x-ratelimit-limit", b"100"),
            (b"x-ratelimit-remaining", b"0"),
            (b"x-ratelimit-reset", b"1"),
            (b"link", b'<https://docs.example.com/>; rel="help", <?offset=20>; rel="next"'),
            (b"deprecation", b"@1688169599"),
            (b"x-powered-by", b"Express"),
        ]
        if answer.status == 401:
            answer.put(b"www-authenticate", b'Bearer realm="cdp", error="invalid_token"')
            answer.headers.append((b"www-authenticate", b'X-Access-Token realm="cdp"'))
