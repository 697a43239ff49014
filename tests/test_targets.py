"""targets.toml, what a target allows, and how commands take it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from cdp.secrets import Secrets
from cdp.targets import (
    PERMISSIONS,
    Credentials,
    TargetError,
    guard_production,
    load_target,
    read_only,
    read_targets,
    target_from_url,
)
from cdp.verdicts import Verdict
from tests.foreign_target import ENVIRONMENT, MINIMAL, foreign, loaded, run, verdicts, written
from tests.running_instance import RunningInstance
from tests.test_command_line import cdp, told

ROOT = Path(__file__).resolve().parents[1]


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_shortest_target_is_read_only(tmp_path: Path) -> None:
    target = loaded(tmp_path, MINIMAL)
    assert target.base_url == "https://staging.example.com/api"
    assert target.credentials.token == "the-token-of-staging"
    assert target.allow == frozenset() and target.allows("read")
    assert not any(target.allows(safety) for safety in ("write", "destructive", "sends"))
    assert (target.timeout_s, target.max_rps, target.roles, target.production) == (10.0, None, (), False)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    text = """
base_url = "https://staging.example.com/cdp/api/"
email_env = "EMAIL"
password_env = "PASSWORD"
allow = ["writes", "sends"]
max_rps = 2.5
timeout_s = 3
proxy = {env = "PROXY"}
production = true
headers = {X-Team = "data", X-Api-Key = {env = "GATEWAY"}}
[targets.staging.roles]
nobody = {token_env = "NOBODY", features = []}
viewer = {token_env = "VIEWER", features = ["tags/view", "users/view"]}
"""
    environment = {
        "EMAIL": "suite@example.com",
        "PASSWORD": " with blanks ",
        "PROXY": "http://me:secret-of-proxy@proxy.example:3128",
        "GATEWAY": "secret-of-gateway",
        "NOBODY": "token-of-nobody",
        "VIEWER": "token-of-viewer",
    }
    target = loaded(tmp_path, text, environment)
    assert target.base_url == "https://staging.example.com/cdp/api"
    assert target.credentials == Credentials(email="suite@example.com", password=" with blanks ")
    assert target.allow == {"writes", "sends"} and target.allows("sends") and not target.allows("destructive")
    assert (target.max_rps, target.timeout_s, target.production) == (2.5, 3.0, True)
    assert target.headers == (("X-Team", "data"), ("X-Api-Key", "secret-of-gateway"))
    assert [(r.name, r.features) for r in target.roles] == [
        ("nobody", frozenset()),
        ("viewer", frozenset({"tags/view", "users/view"})),
    ]
    assert target.proxy_shown == "http://proxy.example:3128"
    secrets = Secrets()
    for secret in target.secrets():
        secrets.add(secret)
    hidden = " ".join(environment[name] for name in ("PASSWORD", "PROXY", "GATEWAY", "NOBODY", "VIEWER"))
    assert not any(word in secrets.redact(hidden) for word in ("secret-of", "token-of", "blanks"))
    assert not any(word in repr(target) for word in ("secret-of", "token-of", "blanks", "suite@"))


WRONG = [
    ("token_env = 'T'", "base_url", "missing"),
    ("base_url = 'https://a.example'", "token_env", "missing"),
    ("base_url = 'https://a.example'\nemail_env = 'E'", "password_env", "missing"),
    ("base_url = 'https://a.example'\npassword_env = 'E'", "email_env", "missing"),
    (MINIMAL + "email_env = 'E'\npassword_env = 'P'", "token_env", "one way is enough"),
    ("base_url = 'staging'\ntoken_env = 'T'", "base_url", "scheme"),
    ("base_url = 7\ntoken_env = 'T'", "base_url", "must be a text"),
    ("base_url = 'https://me:pw-in-url@a.example'\ntoken_env = 'T'", "base_url", "credentials"),
    (MINIMAL + "tokem = 'x'", "tokem", "unknown"),
    (MINIMAL + "token = 'pasted-token'", "token", "token_env"),
    (MINIMAL + "password = 'pasted-token'", "password", "password_env"),
    ("base_url = 'https://a.example'\ntoken_env = 'pasted-token.with.dots'", "token_env", "name of an environment"),
    ("base_url = 'https://a.example'\ntoken_env = 7", "token_env", "name of an environment"),
    (MINIMAL + "allow = 'writes'", "allow", "list"),
    (MINIMAL + "allow = ['writes', 'everything']", "allow", "unknown permission everything"),
    (MINIMAL + "allow = ['destructive']", "allow", "needs writes"),
    (MINIMAL + "allow = ['sends']", "allow", "needs writes"),
    (MINIMAL + "allow = [1]", "allow", "must be a text"),
    (MINIMAL + "max_rps = 0", "max_rps", "between"),
    (MINIMAL + "max_rps = true", "max_rps", "number"),
    (MINIMAL + "max_rps = nan", "max_rps", "number"),
    (MINIMAL + "timeout_s = '3'", "timeout_s", "number"),
    (MINIMAL + "timeout_s = 6000", "timeout_s", "between"),
    (MINIMAL + "production = 'yes'", "production", "true or false"),
    (MINIMAL + "verify = false", "verify", "cannot be switched off"),
    (MINIMAL + "insecure = true", "insecure", "cannot be switched off"),
    (MINIMAL + "ca_file = 'nowhere.pem'", "ca_file", "No such file"),
    (MINIMAL + "ca_file = 'targets.toml'", "ca_file", "cannot be used"),
    (MINIMAL + "client_cert = 'nowhere.pem'", "client_cert", "No such file"),
    (MINIMAL + "client_key = 'nowhere.pem'", "client_key", "needs client_cert"),
    (MINIMAL + "proxy = 'proxy.example:3128'", "proxy", "URL like"),
    (MINIMAL + "proxy = 'http://me:pasted-token@proxy.example'", "proxy", "secrets do not stand"),
    (MINIMAL + "proxy = {env = 'UNSET'}", "proxy", "UNSET is not set"),
    (MINIMAL + "headers = ['X']", "headers", "table"),
    (MINIMAL + "headers = {'X Y' = 'z'}", "headers.X Y", "no name"),
    (MINIMAL + "headers = {X-Access-Token = {env = 'EMPTY'}}", "headers.X-Access-Token", "token_env"),
    (MINIMAL + "headers = {Authorization = 'Bearer pasted-token'}", "headers.Authorization", "secrets do not stand"),
    (MINIMAL + "headers = {X-Api-Key = 'pasted-token'}", "headers.X-Api-Key", "secrets do not stand"),
    (MINIMAL + "headers = {Content-Type = 'text/html'}", "headers.Content-Type", "suite's own"),
    (MINIMAL + 'headers = {X = "a\\r\\nY: b"}', "headers.X", "line break"),
    (MINIMAL + "headers = {X = {env = 'UNSET'}}", "headers.X", "UNSET is not set"),
    (MINIMAL + "headers = {X = {envy = 'UNSET'}}", "headers.X", "env"),
    (MINIMAL + "headers = {X = 'a', x = 'b'}", "headers.x", "twice"),
    (MINIMAL + "peak = {rate = '5'}", "peak", "rate must be a number"),
    (MINIMAL + "peak = {rate = 5, slo = 3}", "peak", "slo must be"),
    (MINIMAL.replace("://", "://a..b."), "base_url", "no name of a host"),
    (MINIMAL.replace("://", f"://{'a' * 64}."), "base_url", "no name of a host"),
    (MINIMAL.replace("://", "://a b."), "base_url", "no name of a host"),
    (MINIMAL + "roles = 3", "roles", "table"),
    (MINIMAL + "roles = {a = 'pasted-token'}", "roles.a", "table"),
    (MINIMAL + "roles = {a = {features = []}}", "roles.a", "token_env is missing"),
    (MINIMAL + "roles = {a = {token_env = 'VIEWER_TOKEN'}}", "roles.a", "features is missing"),
    (MINIMAL + "roles = {a = {token = 'pasted-token', features = []}}", "roles.a", "secrets do not stand"),
    (MINIMAL + "roles = {a = {token_env = 'VIEWER_TOKEN', features = [], x = 1}}", "roles.a", "unknown key 'x'"),
    (MINIMAL + "roles = {a = {token_env = 'UNSET', features = []}}", "roles.a.token_env", "UNSET is not set"),
    (MINIMAL + "roles = {a = {token_env = 'VIEWER_TOKEN', features = 'x'}}", "roles.a.features", "list"),
    (
        MINIMAL + "roles = {a = {token_env = 'VIEWER_TOKEN', features = []}, b = {token_env = 'EMPTY', features = []}}",
        "roles.b.features",
        "the same as",
    ),
    ("base_url = 'https://a.example'\ntoken_env = 'UNSET'", "token_env", "UNSET is not set"),
    ("base_url = 'https://a.example'\ntoken_env = 'EMPTY'", "token_env", "EMPTY is not set"),
]


@pytest.mark.parametrize(("text", "key", "words"), WRONG, ids=[f"{n}-{key}" for n, (_, key, _) in enumerate(WRONG)])
def test_what_is_wrong_is_one_line_with_file_target_and_key(tmp_path: Path, text: str, key: str, words: str) -> None:
    with pytest.raises(TargetError) as caught:
        loaded(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'targets.toml'}: target 'staging': key {key!r}"), message
    assert words in message and "\n" not in message
    assert "pasted-token" not in message and "pw-in-url" not in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[targets.staging\n", "is not TOML"),
        ("[staging]\nbase_url = 'https://a.example'\n", "unknown key 'staging'"),
        ("targets = 3\n", "table"),
        ("[targets]\nstaging = 3\n", "[targets.staging]"),
        ("[targets.'a/b']\n", "letters, digits"),
        (f"[targets.embedded]\n{MINIMAL}", "kept for the instance"),
        ("", "no target is called 'staging'; it has none"),
        (f"[targets.other]\n{MINIMAL}", "no target is called 'staging'; it has other"),
    ],
)
def test_a_file_that_is_not_understood(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TargetError) as caught:
        load_target("staging", file, ENVIRONMENT)
    assert words in str(caught.value) and str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="there is no such file"):
        load_target("staging", tmp_path / "none.toml", ENVIRONMENT)
    with pytest.raises(TargetError, match="cannot be read"):
        load_target("staging", tmp_path, ENVIRONMENT)
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TargetError, match="UTF-8"):
        load_target("staging", tmp_path / "odd.toml", ENVIRONMENT)


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("given", "named", "here"):
        (tmp_path / place).mkdir()
        written(tmp_path / place, MINIMAL.replace("staging.", f"{place}."))
    monkeypatch.chdir(tmp_path / "here")
    named = {**ENVIRONMENT, "CDP_TARGETS": str(tmp_path / "named" / "targets.toml")}
    assert load_target("staging", None, ENVIRONMENT).host == "here.example.com"
    assert load_target("staging", None, named).host == "named.example.com"
    assert load_target("staging", tmp_path / "given" / "targets.toml", named).host == "given.example.com"


def test_certificates_are_looked_up_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.chdir("/")
    assert loaded(tmp_path, MINIMAL + "ca_file = 'authority.pem'").ca_file == str(tmp_path / "authority.pem")


# --- what is allowed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_sending_is_never_implied(tmp_path: Path, permission: str) -> None:
    words = sorted({"writes", permission})
    target = loaded(tmp_path, MINIMAL + f"allow = {words}")
    assert target.allows("sends") == (permission == "sends")
    assert target.allows("destructive") == (permission == "destructive")
    assert ("load" in target.allow) == (permission == "load")


def test_read_only_takes_everything_away(tmp_path: Path) -> None:
    target = read_only(loaded(tmp_path, MINIMAL + f"allow = {list(PERMISSIONS)}"))
    assert target.allow == frozenset() and target.credentials.token == "the-token-of-staging"


@pytest.mark.parametrize(
    ("name", "url", "production"),
    [
        ("staging", "https://staging.example.com", False),
        ("prod", "https://staging.example.com", True),
        ("eu-production", "https://staging.example.com", True),
        ("PROD_2", "https://staging.example.com", True),
        ("staging", "https://www.example.com", True),
        ("staging", "https://cdp-live.example.com", True),
        ("staging", "https://prod3.example.com", True),
        ("staging", "https://Production.example.com", True),
        ("products", "https://liverpool.example.com", False),
        ("delivery", "https://reproduction.example.com", False),
        ("staging", "https://staging.example.com/production", False),
        ("prod", "http://127.0.0.1:8000", False),
        ("prod", "http://localhost:8000", False),
        ("prod", "http://[::1]:8000", False),
    ],
)
def test_what_looks_like_production(tmp_path: Path, name: str, url: str, production: bool) -> None:
    target = loaded(tmp_path, f"base_url = '{url}'\ntoken_env = 'STAGING_TOKEN'", name=name)
    assert guard_production(target, known=True) is target
    if production:
        with pytest.raises(TargetError, match=r"looks like production .*--i-know-this-is-production"):
            guard_production(target, known=False)
    else:
        assert guard_production(target, known=False) is target
    by_url = target_from_url(url, {"CDP_TOKEN": "abc"})
    if production and name == "staging":
        with pytest.raises(TargetError, match="looks like production"):
            guard_production(by_url, known=False)


def test_a_declared_production_counts_behind_a_tunnel_too(tmp_path: Path) -> None:
    target = loaded(tmp_path, "base_url = 'http://127.0.0.1:1'\ntoken_env = 'STAGING_TOKEN'\nproduction = true")
    with pytest.raises(TargetError, match="production = true"):
        guard_production(target, known=False)


# --- the command line -------------------------------------------------------------------------------------------------


def test_targets_are_listed_without_secrets(tmp_path: Path) -> None:
    file = ROOT / "targets.example.toml"
    assert list(read_targets(file)) == ["staging", "integration", "customers"]
    result = cdp("targets", "--targets", str(file), environment={"STAGING_TOKEN": "the-token-of-staging"})
    assert result.returncode == 0 and told(result) == ""
    assert "the-token-of-staging" not in result.stdout
    staging = result.stdout[result.stdout.index("\nstaging") : result.stdout.index("\nintegration")]
    assert "from STAGING_TOKEN\n" in staging
    assert "allowed      read, writes, destructive\n" in staging and "refused      sends, load\n" in staging
    assert "INTEGRATION_PASSWORD (not set)" in result.stdout
    assert "--i-know-this-is-production" in result.stdout


def test_no_file_is_no_fault_where_none_was_named(tmp_path: Path) -> None:
    known = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
    command = [sys.executable, "-m", "cdp", "targets"]
    environment = {**known, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "targets.example.toml" in result.stdout
    assert cdp("targets", "--targets", str(tmp_path / "none.toml")).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "nowhere"), "no target is called 'nowhere'; it has prod, staging"),
        (("--target", "staging"), "the environment variable STAGING_TOKEN is not set"),
        (("--target", "staging", "--url", "http://127.0.0.1:1"), "give one of them"),
        (("--target", "staging", "--allow", "writes"), "--allow goes with --url"),
        (("--targets", "targets.toml"), "name one of them with --target"),
        (("--target", "prod"), "looks like production"),
        (("--url", "https://www.example.com/api"), "looks like production"),
        (("--target", "prod", "--read-only"), "looks like production"),
    ],
)
def test_wrong_targets_end_with_2_and_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    file = written(tmp_path, MINIMAL)
    with file.open("a", encoding="utf-8") as more:
        more.write("[targets.prod]\nbase_url = 'https://staging.example.com'\ntoken_env = 'PROD_TOKEN'\n")
    environment = {"CDP_TARGETS": str(file), "PROD_TOKEN": "abcdefgh", "CDP_TOKEN": "abcdefgh"}
    result = cdp("contract", *arguments, environment=environment)
    assert result.returncode == 2
    assert words in told(result) and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_production_is_run_against_when_it_is_meant(tmp_path: Path) -> None:
    file = written(tmp_path, "base_url = 'http://127.0.0.1:1'\ntoken_env = 'T'\nproduction = true")
    arguments = ("contract", "--target", "staging", "--targets", str(file), "--runs", str(tmp_path / "runs"))
    assert cdp(*arguments, environment={"T": "abcdefgh"}).returncode == 2
    result = cdp(*arguments, "--i-know-this-is-production", environment={"T": "abcdefgh"})
    assert result.returncode == 3 and "cannot be reached" in told(result)


WRITES = ("PATCH", "PUT", "DELETE")


def test_a_new_target_is_only_read(instance: RunningInstance, tmp_path: Path) -> None:
    with foreign(instance, tmp_path) as (file, asked):
        result = run(file, instance, "--section", "tags")
    assert result.returncode == 0, result.stdout + result.stderr
    assert not [request for request in asked if request.method in (*WRITES, "POST")]
    written_to = [found for address, found in verdicts(file).items() if "/create_tag" in address]
    assert (Verdict.SKIP, "write calls are not allowed on this target; allow writes to judge it") in written_to
    assert {verdict for verdict, _ in written_to} == {Verdict.SKIP}


def test_what_the_file_allows_is_done_and_read_only_takes_it_away(instance: RunningInstance, tmp_path: Path) -> None:
    options = ("--operation", "create_tag", "--operation", "delete_tag", "--requirement", "CODE-02")
    for directory in ("allowed", "taken"):
        (tmp_path / directory).mkdir()
    more = "allow = ['writes', 'destructive']\nmax_rps = 500"
    with foreign(instance, tmp_path / "allowed", more) as (file, asked):
        assert run(file, instance, *options).returncode == 0
        assert {"POST", "DELETE"} <= {request.method for request in asked}
    with foreign(instance, tmp_path / "taken", more) as (file, asked):
        assert run(file, instance, *options, "--read-only").returncode == 3
        assert {request.method for request in asked} == {"GET"}


def test_ready_made_roles_are_used_where_no_users_are_made(instance: RunningInstance, tmp_path: Path) -> None:
    _, _, nobody = instance.user_with([], "ready-nobody")
    _, _, editor = instance.user_with(["settings/roles"], "ready-editor")
    more = """
[targets.staging.roles]
nobody = {token_env = "NOBODY", features = []}
editor = {token_env = "EDITOR", features = ["settings/roles"]}
other = {token_env = "OTHER", features = ["data/dashboard"]}
"""
    environment = {"NOBODY": nobody, "EDITOR": editor, "OTHER": "a-token-that-nobody-knows"}
    options = ("--operation", "list_customers_per_date", "--operation", "list_user_roles", "--requirement", "ROLE")
    with foreign(instance, tmp_path, more) as (file, asked):
        result = run(file, instance, *options, environment=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert {request.method for request in asked} == {"GET"}
    found = verdicts(file)
    assert found["ROLE-01/list_user_roles/no-features"][0] is Verdict.PASS
    assert found["ROLE-02/list_user_roles/settings/roles"][0] is Verdict.PASS
    assert found["ROLE-02/list_customers_per_date/data/dashboard"] == (
        Verdict.SKIP,
        "the ready-made token of the role other is refused with 401; renew it",
    )
    assert {verdict for verdict, _ in found.values()} == {Verdict.PASS, Verdict.SKIP}
    everything = (
        "".join(p.read_text(errors="replace") for p in (tmp_path / "runs").rglob("*") if p.is_file()) + result.stdout
    )
    assert nobody not in everything and "a-token-that-nobody-knows" not in everything


@pytest.mark.slow
def test_pytest_takes_targets_too(instance: RunningInstance, tmp_path: Path) -> None:
    with foreign(instance, tmp_path, "allow = ['writes']") as (file, asked):
        command = [sys.executable, "-m", "pytest", "contracts", "-q", "-p", "no:cacheprovider"]
        command += ["--cdp-target", "staging", "--cdp-targets", str(file), "--cdp-runs", str(tmp_path / "runs")]
        command += ["--cdp-operation", "create_tag", "--cdp-operation", "list_tags", "--cdp-requirement", "CODE"]
        environment = {**os.environ, "T": instance.token}
        result = subprocess.run(
            [*command, "--cdp-read-only"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert asked and not [request for request in asked if request.method in (*WRITES, "POST")]
        environment.pop("T")
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 4  # pytest's own code of wrong usage
    assert "the environment variable T is not set" in result.stdout + result.stderr
