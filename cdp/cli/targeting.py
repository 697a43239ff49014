"""Options that several commands share: which target they are about, which contract, and how to judge."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce, wraps
from typing import Any, TypeVar

import click

from cdp.embedded import embedded_instance
from cdp.targets import (
    EMBEDDED,
    Target,
    TargetError,
    guard_production,
    load_target,
    parse_permissions,
    read_only,
    read_targets,
    target_from_url,
    targets_path,
)

DEFAULT_TIMEOUT_S = 10.0
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Choice:
    """What was said on the command line about the target. `timeout_s` None: what the target's entry says, else ten
    seconds."""

    name: str | None = None
    file: str | None = None
    url: str | None = None
    allow: str = ""
    timeout_s: float | None = None
    read_only: bool = False
    production_is_known: bool = False

    @contextmanager
    def open(self) -> Iterator[Target]:
        """The target, with the embedded instance running where that is meant. Raises TargetError in one line."""
        if self.name and self.url:
            raise TargetError("--target and --url name one target each; give one of them")
        if self.file and not self.name:
            raise TargetError("--targets only says where targets stand; name one of them with --target")
        if self.name and self.name != EMBEDDED:
            if self.allow:
                raise TargetError("--allow goes with --url; what a target allows stands in its entry of targets.toml")
            target = load_target(self.name, self.file, os.environ)
            if self.timeout_s is not None:
                target = replace(target, timeout_s=self.timeout_s)
            yield self._bounded(target)
        elif self.url is not None:
            permissions = parse_permissions(self.allow)
            yield self._bounded(target_from_url(self.url, os.environ, permissions, self.timeout_s or DEFAULT_TIMEOUT_S))
        else:
            if self.allow:
                raise TargetError("--allow goes with --url; on the embedded instance everything is allowed")
            with embedded_instance(timeout_s=self.timeout_s or DEFAULT_TIMEOUT_S) as target:
                yield self._bounded(target)

    def overlay(self) -> str | None:
        """The overlay that the target's entry names; no secret is needed for that. Raises TargetError when the file
        cannot be read."""
        if not self.name or self.url or self.name == EMBEDDED:
            return None
        entry = read_targets(targets_path(self.file, os.environ)).get(self.name)
        return entry.overlay if entry else None

    def _bounded(self, target: Target) -> Target:
        guard_production(target, self.production_is_known)
        return read_only(target) if self.read_only else target


_OPTIONS = (
    click.option(
        "--target", "target_name", default=None, help="Target from targets.toml.  [default: the embedded instance]"
    ),
    click.option(
        "--targets",
        "targets_file",
        default=None,
        metavar="FILE",
        help="File of targets.  [default: $CDP_TARGETS, else targets.toml]",
    ),
    click.option("--url", default=None, help="Base URL of an instance that has no entry in targets.toml."),
    click.option(
        "--allow", default="", help="What a run may do at --url besides reading: writes,destructive,sends,load."
    ),
    click.option(
        "--read-only", "only_reading", is_flag=True, help="Withdraw every permission for this run: only read."
    ),
    click.option(
        "--i-know-this-is-production",
        "production_is_known",
        is_flag=True,
        help="Needed for a target that looks like production.",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        default=None,
        type=click.FloatRange(0.1, 600),
        help="Seconds to wait for an answer.  [default: the target's timeout_s, else 10]",
    ),
)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which target is meant; the command takes them together as `choice`."""

    @wraps(command)
    def choosing(
        *arguments: Any,
        target_name: str | None,
        targets_file: str | None,
        url: str | None,
        allow: str,
        only_reading: bool,
        production_is_known: bool,
        timeout_s: float | None,
        **options: Any,
    ) -> Any:
        choice = Choice(target_name, targets_file, url, allow, timeout_s, only_reading, production_is_known)
        return command(*arguments, choice=choice, **options)

    return reduce(lambda made, option: option(made), reversed(_OPTIONS), choosing)


def profile_option(help_: str) -> Callable[[F], F]:
    """How thorough the run is that the command makes, or is about."""
    names = click.Choice(["quick", "release", "nightly"])
    return click.option("--profile", type=names, default="quick", show_default=True, help=help_)


seed_option = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of everything that is random."
)
processes_option = click.option(
    "-n",
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Number of processes that judge cells.",
)
known_failures_option = click.option(
    "--known-failures",
    "--baseline",  # its older name
    "known_failures_path",
    default=None,
    metavar="FILE",
    help="File of failures that are known and do not decide the exit code (TOML).",
)
contract_option = click.option(
    "--contract", "contract_path", default=None, help="Root file of another contract to use."
)
overlay_option = click.option(
    "--overlay",
    default=None,
    help="OpenAPI Overlay to apply to the contract.  [default: the one in the target's entry]",
)
