"""Which target a load run goes to, and whether it may: nothing is loaded that did not say so.

This machine itself needs no permission. Everywhere else the target's entry has to allow `load` (and `writes` for what
ingests events), and what looks like production needs a flag. `max_rps` of an entry is kept wherever it leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import orjson

from cdp.contract import Contract
from cdp.hindrances import content_of, led_elsewhere, unanswered
from cdp.http import Client
from cdp.secrets import Secrets
from cdp.targets import (
    EMBEDDED,
    Target,
    TargetError,
    guard_production,
    load_target,
    parse_permissions,
    target_from_url,
)
from load.options import LoadOptions
from load.plan import schedule_of


def find_target(options: LoadOptions, host: str | None, environment: Mapping[str, str]) -> Target:
    """The target of a run: by its name in targets.toml, else by the host that Locust was given.

    Raises TargetError in one line when there is none, or it may not be loaded like this; ScheduleError as
    `schedule_of` does.
    """
    if options.target and not (options.target == EMBEDDED and host):
        if options.allow:
            raise TargetError("--allow goes with --host; what a target allows stands in its entry of targets.toml")
        target = load_target(options.target, options.targets, environment)
        if host and urlsplit(host).netloc != urlsplit(target.base_url).netloc:
            raise TargetError(f"--host {host} and the target {target.name} name different instances; give one of them")
    elif host:
        target = target_from_url(host, environment, parse_permissions(options.allow), options.answer_timeout)
        if options.target:  # the embedded instance has a name, and another port in each run
            target = replace(target, name=options.target)
    else:
        raise TargetError("no target: give --host URL, or --target NAME of targets.toml")
    target = replace(target, timeout_s=options.answer_timeout)
    return admitted(guard_production(target, options.i_know_this_is_production), options)


def admitted(target: Target, options: LoadOptions) -> Target:
    """The target itself; raises TargetError in one line when it does not allow such a load."""
    if target.proxy:
        raise TargetError(f"target {target.name!r} is behind a proxy, and load through a proxy would measure the proxy")
    needed = {"load"} | ({"writes"} if options.scenario != "search" else set())
    missing = [] if target.loopback else sorted(needed - target.allow)
    if missing:
        raise TargetError(
            f"target {target.name!r} does not allow {' and '.join(missing)}, which the scenario {options.scenario} "
            "needs; add it to its `allow` in targets.toml, or to --allow"
        )
    if target.max_rps is not None and not options.open_loop:
        raise TargetError(
            f"target {target.name!r} takes {target.max_rps:g} requests a second at most, and users in a closed loop "
            "keep no rate; give a --rate"
        )
    peak_rate = schedule_of(options).peak_rate if options.open_loop and not options.find_capacity else 0.0
    if target.max_rps is not None and peak_rate > target.max_rps:
        raise TargetError(
            f"target {target.name!r} takes {target.max_rps:g} requests a second at most (max_rps), and this run would "
            f"send {peak_rate:g}"
        )
    return target


def sign_in(target: Target, contract: Contract, secrets: Secrets) -> str:
    """The token of the run: the target's own, or one that it gives for e-mail and password.

    Raises TargetError in one line when it gives none.
    """
    credentials = target.credentials
    for secret in (credentials.token, credentials.password):
        secrets.add(secret)
    if credentials.token:
        return credentials.token
    client = Client(target, secrets)
    try:
        exchange = client.send(
            "POST",
            target.origin + contract.operations["login_user"].template,
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            body=orjson.dumps({"email": credentials.email, "password": credentials.password}),
        )
    finally:
        client.close()
    if hindrance := unanswered(exchange, target.base_url) or led_elsewhere(exchange, target.base_url, secrets):
        raise TargetError(str(hindrance))
    token = exchange.json.get("token") if isinstance(exchange.json, dict) else None
    if not exchange.ok or not isinstance(token, str) or not token:
        content = content_of(exchange, secrets)
        raise TargetError(
            f"the login at {target.base_url} answers {exchange.status} with {content} and without a token"
        )
    return secrets.add(token)
