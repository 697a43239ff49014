"""targets.toml: the instances that a team runs against. It names where secrets are kept and never holds any.

    [targets.staging]
    base_url = "https://staging.example.com/api"
    token_env = "STAGING_TOKEN"
    allow = ["writes", "destructive"]

Whatever is wrong in the file is one line that names the file, the target and the key.
"""

from __future__ import annotations

import re
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cdp.targets import values
from cdp.targets.model import (
    EMBEDDED,
    Credentials,
    Peak,
    ReadyRole,
    Target,
    TargetError,
    check_permissions,
    parse_base_url,
)
from cdp.targets.values import Variable, Wrong, keyed, place

TARGETS_VARIABLE = "CDP_TARGETS"
DEFAULT_FILE = Path("targets.toml")
MAX_RPS, MAX_TIMEOUT_S, MIN_TIMEOUT_S = 10_000.0, 600.0, 0.1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_KEYS = (
    "base_url",
    "token_env",
    "email_env",
    "password_env",
    "roles",
    "allow",
    "max_rps",
    "timeout_s",
    "ca_file",
    "client_cert",
    "client_key",
    "proxy",
    "headers",
    "production",
    "overlay",
    "peak",
)
_LITERALS = {"token": "token_env", "password": "password_env", "email": "email_env"}
_SWITCHES = ("verify", "verify_tls", "tls_verify", "ssl_verify", "insecure", "verification")
_OWN_HEADERS = ("accept", "connection", "content-length", "content-type", "host", "transfer-encoding")
_CREDENTIAL_HEADER = re.compile(r"auth|cookie|token|secret|password|key|signature", re.IGNORECASE)


@dataclass(frozen=True)
class RoleEntry:
    """A ready-made token: where it is, and the features of its role."""

    name: str
    features: frozenset[str]
    token: Variable


@dataclass(frozen=True)
class Entry:
    """A target as it stands in the file: checked, but without anything from the environment."""

    name: str
    file: Path
    base_url: str
    token: Variable | None
    email: Variable | None
    password: Variable | None
    roles: tuple[RoleEntry, ...]
    allow: frozenset[str]
    max_rps: float | None
    timeout_s: float
    ca_file: str
    client_cert: str
    client_key: str
    proxy: str | Variable
    headers: tuple[tuple[str, str | Variable], ...]
    production: bool
    overlay: str | None
    peak: Peak | None

    def resolve(self, environment: Mapping[str, str]) -> Target:
        """The target with its secrets. Raises TargetError when a variable is not set, or a file cannot be used."""
        value_of = partial(self._value_of, environment)
        credentials = Credentials(
            token=value_of("token_env", self.token),
            email=value_of("email_env", self.email),
            password=value_of("password_env", self.password),
        )
        roles = tuple(
            ReadyRole(role.name, role.features, value_of(f"roles.{role.name}.token_env", role.token))
            for role in self.roles
        )
        headers = tuple(
            (name, value_of(f"headers.{name}", value) if isinstance(value, Variable) else value)
            for name, value in self.headers
        )
        proxy = self.proxy
        if isinstance(proxy, Variable):
            with keyed(self.file, self.name, "proxy"):
                proxy = values.proxy_url(value_of("proxy", proxy), credentials_allowed=True)
        self._check_certificates()
        return Target(
            self.name,
            self.base_url,
            credentials,
            self.allow,
            self.timeout_s,
            max_rps=self.max_rps,
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            proxy=proxy,
            headers=headers,
            secret_headers=frozenset(name for name, value in self.headers if isinstance(value, Variable)),
            roles=roles,
            production=self.production,
            overlay=self.overlay,
            peak=self.peak,
        )

    def _value_of(self, environment: Mapping[str, str], key: str, variable: Variable | None) -> str:
        """What the variable of a key holds, empty without a variable. Raises TargetError."""
        if variable is None:
            return ""
        value = environment.get(variable.name, "")
        if key != "password_env":  # a password may begin or end with a blank
            value = value.strip()
        if not value:
            raise TargetError(f"{self._place(key)}: the environment variable {variable.name} is not set")
        if not value.isprintable() and key != "password_env":
            raise TargetError(f"{self._place(key)}: {variable.name} holds a line break or another odd character")
        return value

    def _check_certificates(self) -> None:
        """The files are read once before the run, so that what is wrong with them is told as their fault."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_file:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ValueError) as error:
                raise TargetError(f"{self._place('ca_file')}: {values.unusable(self.ca_file, error)}") from None
        if self.client_cert:
            try:
                # An encrypted key must not ask for its password in the middle of a run.
                context.load_cert_chain(self.client_cert, self.client_key or None, password=lambda: b"")
            except (OSError, ValueError) as error:
                path = f"{self.client_cert} with {self.client_key}" if self.client_key else self.client_cert
                raise TargetError(f"{self._place('client_cert')}: {values.unusable(path, error)}") from None

    def _place(self, key: str) -> str:
        return place(self.file, self.name, key)


def targets_path(path: str | Path | None, environment: Mapping[str, str]) -> Path:
    """Where the targets stand: the given path, else what CDP_TARGETS says, else ./targets.toml."""
    return Path(path or environment.get(TARGETS_VARIABLE) or DEFAULT_FILE)


def load_target(name: str, path: str | Path | None, environment: Mapping[str, str]) -> Target:
    """One target of the file, with its secrets from the environment; without a path the file is found as
    `targets_path` says. Raises TargetError in one line."""
    file = targets_path(path, environment)
    entries = read_targets(file)
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise TargetError(f"{file}: no target is called {name!r}; it has {known}")
    return entries[name].resolve(environment)


def read_targets(file: Path) -> dict[str, Entry]:
    """Every target of a file, in its order. Raises TargetError in one line on anything that is not understood."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TargetError(
            f"{file}: there is no such file; copy targets.example.toml, or name it with --targets or {TARGETS_VARIABLE}"
        ) from None
    except OSError as error:
        raise TargetError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TargetError(f"{file}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{file}: is not TOML: {' '.join(str(error).split())}") from None
    for key in document:
        if key != "targets":
            raise TargetError(f"{file}: unknown key {key!r}; targets stand in tables like [targets.staging]")
    tables = document.get("targets", {})
    if not isinstance(tables, dict):
        raise TargetError(f"{file}: key 'targets' must be a table of targets")
    return {name: _entry(file, name, table) for name, table in tables.items()}


def _entry(file: Path, name: str, table: Any) -> Entry:
    where = f"{file}: target {name!r}"
    if not _NAME.fullmatch(name):
        raise TargetError(f"{where}: a name is made of letters, digits, '.', '_' and '-'")
    if name == EMBEDDED:
        raise TargetError(f"{where}: the name is kept for the instance that the suite brings")
    if not isinstance(table, dict):
        raise TargetError(f"{where}: must be a table, [targets.{name}]")
    _refuse_unknown(file, name, table)

    def read(key: str, reader: Any, default: Any) -> Any:
        with keyed(file, name, key):
            return reader(table[key]) if key in table else default

    def path_of(value: Any) -> str:
        return str(file.parent / Path(values.text(value)).expanduser())

    if "base_url" not in table:
        raise TargetError(f"{where}: key 'base_url' is missing")
    token, email = read("token_env", values.variable_name, None), read("email_env", values.variable_name, None)
    password = read("password_env", values.variable_name, None)
    if token and (email or password):
        raise TargetError(f"{where}: key 'token_env': stands beside email_env or password_env; one way is enough")
    if not token and not (email and password):
        missing = "email_env" if password else "password_env" if email else "token_env"
        hint = "" if email or password else " (or email_env and password_env)"
        raise TargetError(f"{where}: key {missing!r} is missing{hint}")
    if "client_key" in table and "client_cert" not in table:
        raise TargetError(f"{where}: key 'client_key': needs client_cert beside it")
    return Entry(
        name=name,
        file=file,
        base_url=read("base_url", lambda value: parse_base_url(values.text(value)), ""),
        token=token,
        email=email,
        password=password,
        roles=_roles(file, name, table.get("roles", {})),
        allow=read("allow", lambda value: check_permissions(values.texts(value)), frozenset()),
        max_rps=read("max_rps", lambda value: values.number(value, 0.01, MAX_RPS), None),
        timeout_s=read("timeout_s", lambda value: values.number(value, MIN_TIMEOUT_S, MAX_TIMEOUT_S), 10.0),
        ca_file=read("ca_file", path_of, ""),
        client_cert=read("client_cert", path_of, ""),
        client_key=read("client_key", path_of, ""),
        proxy=read("proxy", values.proxy, ""),
        headers=_headers(file, name, table.get("headers", {})),
        production=read("production", values.flag, False),
        overlay=read("overlay", path_of, None),
        peak=read("peak", values.peak, None),
    )


def _refuse_unknown(file: Path, name: str, table: Mapping[str, Any]) -> None:
    for key in table:
        if key in _LITERALS:
            raise TargetError(
                f"{place(file, name, key)}: secrets do not stand in this file; "
                f"name an environment variable with {_LITERALS[key]}"
            )
        if key.lower() in _SWITCHES:
            raise TargetError(
                f"{place(file, name, key)}: the check of certificates cannot be switched off; "
                "name your authority's certificate with ca_file"
            )
        if key not in _KEYS:
            raise TargetError(f"{place(file, name, key)}: unknown; known are {', '.join(_KEYS)}")


def _roles(file: Path, target: str, tables: Any) -> tuple[RoleEntry, ...]:
    with keyed(file, target, "roles"):
        if not isinstance(tables, dict):
            raise Wrong("must be a table of roles")
    roles: dict[frozenset[str], RoleEntry] = {}
    for role, table in tables.items():
        with keyed(file, target, f"roles.{role}"):
            if not isinstance(table, dict):
                raise Wrong('must be a table like {token_env = "NAME", features = []}')
            for key in table:
                if key in _LITERALS:
                    raise Wrong("secrets do not stand in this file; name an environment variable with token_env")
                if key not in ("token_env", "features"):
                    raise Wrong(f"unknown key {key!r}; known are token_env, features")
            for key in ("token_env", "features"):
                if key not in table:
                    raise Wrong(f"{key} is missing")
        with keyed(file, target, f"roles.{role}.token_env"):
            token = values.variable_name(table["token_env"])
        with keyed(file, target, f"roles.{role}.features"):
            features = frozenset(values.texts(table["features"]))
            if features in roles:
                raise Wrong(f"the same as those of the role {roles[features].name!r}")
        roles[features] = RoleEntry(role, features, token)
    return tuple(roles.values())


def _headers(file: Path, target: str, table: Any) -> tuple[tuple[str, str | Variable], ...]:
    with keyed(file, target, "headers"):
        if not isinstance(table, dict):
            raise Wrong("must be a table of header names and values")
    headers: list[tuple[str, str | Variable]] = []
    for name, value in table.items():
        with keyed(file, target, f"headers.{name}"):
            if not _HEADER.fullmatch(name):
                raise Wrong("is no name of a header")
            if name.lower() == "x-access-token":
                raise Wrong("the token comes from token_env, or from email_env and password_env")
            if name.lower() in _OWN_HEADERS:
                raise Wrong("this header is the suite's own")
            if name.lower() in (known.lower() for known, _ in headers):
                raise Wrong("is there twice")
            given = values.text_or_variable(value)
            if isinstance(given, str) and _CREDENTIAL_HEADER.search(name):
                raise Wrong('secrets do not stand in this file; write {env = "NAME"}')
            headers.append((name, given))
    return tuple(headers)
