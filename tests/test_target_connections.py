"""How a target is reached: extra headers, redirects, TLS, proxies."""

from __future__ import annotations

import base64
import ssl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from cdp.evidence import curl_line, describe
from cdp.http import Client
from cdp.secrets import Secrets
from cdp.targets import Credentials, Target, TargetError
from tests.foreign_target import MINIMAL, foreign, loaded, run, written
from tests.loopback import Reply, forwarding, proxying, serving
from tests.running_instance import RunningInstance
from tests.test_command_line import cdp, told

# --- headers and redirects --------------------------------------------------------------------------------------------


def test_extra_headers_go_with_every_request_and_stay_secret(instance: RunningInstance, tmp_path: Path) -> None:
    more = "headers = {X-Team = 'data', X-Gateway-Key = {env = 'GATEWAY'}}"
    with foreign(instance, tmp_path, more) as (file, asked):
        environment = {"GATEWAY": "the-key-of-the-gateway"}
        options = ("--section", "tags", "--requirement", "AUTH", "--requirement", "CODE-02")
        result = run(file, instance, *options, environment=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert asked and all(r.headers["x-team"] == "data" for r in asked)
    assert all(r.headers["x-gateway-key"] == "the-key-of-the-gateway" for r in asked)
    everything = "".join(p.read_text(errors="replace") for p in (tmp_path / "runs").rglob("*") if p.is_file())
    assert "the-key-of-the-gateway" not in everything + result.stdout + result.stderr


def test_a_gateways_header_gives_way_and_is_not_taken_for_the_token() -> None:
    with serving(lambda asked: Reply()) as server:
        gateway = (("authorization", "Basic key-of-the-gateway"),)
        target = Target("t", server.url + "/api", Credentials(token="abcdefgh"), headers=gateway)
        secrets = Secrets()
        client = Client(replace(target, secret_headers=frozenset({"authorization"})), secrets)
        exchange = client.send("GET", server.url + "/api/tags", headers={"X-Access-Token": "abcdefgh"})
        client.send("GET", server.url + "/api/tags", headers={"Authorization": "Bearer abcdefgh"})
        client.close()
    assert [r.headers["authorization"] for r in server.asked] == ["Basic key-of-the-gateway", "Bearer abcdefgh"]
    line = curl_line(exchange, secrets)
    assert "X-Access-Token: $CDP_TOKEN" in line and "authorization: <redacted>" in line
    assert "gateway" not in line + str(describe(exchange, secrets))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_never_follows_a_redirect(status: int, method: str) -> None:
    with serving(lambda asked: Reply()) as elsewhere:
        there = {"Location": elsewhere.url + "/api/tags"}
        with serving(lambda asked: Reply(status, b"{}", there)) as server:
            client = Client(Target("t", server.url + "/api", Credentials(token="abcdefgh")), Secrets())
            exchange = client.send(method, server.url + "/api/tags", headers={"X-Access-Token": "abcdefgh"})
            client.close()
        assert exchange.status == status and len(server.asked) == 1
    assert elsewhere.asked == []


def test_a_target_that_redirects_everything_is_told_in_one_line(tmp_path: Path) -> None:
    with serving(lambda asked: Reply()) as elsewhere:
        there = {"Location": elsewhere.url, "Content-Type": "text/html"}
        with serving(lambda asked: Reply(302, b"", there)) as server:
            file = written(tmp_path, f"base_url = '{server.url}'\ntoken_env = 'T'")
            arguments = ("contract", "--target", "staging", "--targets", str(file), "--runs", str(tmp_path / "runs"))
            result = cdp(*arguments, environment={"T": "abcdefgh"})
    assert result.returncode == 3 and "redirects are not followed" in told(result)
    assert elsewhere.asked == []


# --- TLS --------------------------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority that only the test knows."""

    def __init__(self, directory: Path) -> None:
        self.ca = trustme.CA()
        self.directory = directory
        self.file = directory / "authority.pem"
        self.ca.cert_pem.write_to_path(str(self.file))

    def server(self, host: str = "127.0.0.1", *, days: int = 1, clients: bool = False) -> ssl.SSLContext:
        now = datetime.now(UTC)
        certificate = self.ca.issue_cert(host, not_before=now - timedelta(days=2), not_after=now + timedelta(days=days))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if clients:
            self.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> tuple[Path, Path]:
        certificate = self.ca.issue_cert("suite@example.com")
        cert, key = self.directory / "suite.pem", self.directory / "suite.key"
        certificate.cert_chain_pems[0].write_to_path(str(cert))
        certificate.private_key_pem.write_to_path(str(key))
        return cert, key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def run_over_tls(
    instance: RunningInstance, directory: Path, context: ssl.SSLContext, more: str
) -> subprocess.CompletedProcess[str]:
    with serving(forwarding(instance.origin), context) as server:
        file = written(directory, f"base_url = '{server.url}'\ntoken_env = 'T'\n{more}")
        return run(file, instance, "--operation", "list_tags", "--requirement", "CODE-02")


def test_an_authority_of_ones_own_is_trusted(instance: RunningInstance, tmp_path: Path, authority: Authority) -> None:
    result = run_over_tls(instance, tmp_path, authority.server(), "ca_file = 'authority.pem'")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_a_client_certificate_is_shown(instance: RunningInstance, tmp_path: Path, authority: Authority) -> None:
    authority.client()
    more = "ca_file = 'authority.pem'\nclient_cert = 'suite.pem'\nclient_key = 'suite.key'"
    result = run_over_tls(instance, tmp_path, authority.server(clients=True), more)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("host", "days", "clients", "more", "words"),
    [
        ("127.0.0.1", 1, False, "", "unable to get local issuer certificate; name its authority with ca_file"),
        ("127.0.0.1", -1, False, "ca_file = 'authority.pem'", "certificate has expired"),
        pytest.param(
            *("elsewhere.example", 1, False, "ca_file = 'authority.pem'", "not valid for '127.0.0.1'"),
            marks=pytest.mark.slow,
        ),
        ("127.0.0.1", 1, True, "ca_file = 'authority.pem'", ""),  # in which words it is refused is a matter of timing
    ],
    ids=["unknown authority", "expired", "another host", "client certificate wanted"],
)
def test_what_is_wrong_with_tls_is_one_line(
    instance: RunningInstance,
    tmp_path: Path,
    authority: Authority,
    host: str,
    days: int,
    clients: bool,
    more: str,
    words: str,
) -> None:
    result = run_over_tls(instance, tmp_path, authority.server(host, days=days, clients=clients), more)
    assert result.returncode == 3
    line = next(line for line in result.stderr.splitlines() if line.startswith("cdp contract: "))
    assert ("cannot be reached: TLS: " if words else "cannot be reached: ") in line and words in line


@pytest.mark.slow
def test_http_spoken_to_a_tls_target(instance: RunningInstance, tmp_path: Path) -> None:
    with serving(forwarding(instance.origin)) as server:
        file = written(tmp_path, f"base_url = '{server.url.replace('http', 'https')}'\ntoken_env = 'T'")
        result = run(file, instance, "--operation", "list_tags")
    assert result.returncode == 3 and "cannot be reached: TLS: " in result.stderr


def test_an_encrypted_key_is_refused_and_nobody_is_asked(tmp_path: Path, authority: Authority) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    _, key = authority.client()
    loaded_key = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(loaded_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a password")))
    with pytest.raises(TargetError, match=r"key 'client_cert': .* cannot be used"):
        loaded(tmp_path, MINIMAL + "client_cert = 'suite.pem'\nclient_key = 'suite.key'")


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_proxy_is_used(instance: RunningInstance, tmp_path: Path) -> None:
    with proxying() as proxy, foreign(instance, tmp_path, f"proxy = '{proxy.url}'") as (file, asked):
        result = run(file, instance, "--operation", "list_tags", "--requirement", "CODE-02")
        assert result.returncode == 0, result.stdout + result.stderr
        assert asked and len(proxy.asked) == len(asked)


@pytest.mark.slow
def test_a_proxy_tunnels_tls(instance: RunningInstance, tmp_path: Path, authority: Authority) -> None:
    with proxying() as proxy:
        more = f"ca_file = 'authority.pem'\nproxy = '{proxy.url}'"
        result = run_over_tls(instance, tmp_path, authority.server(), more)
    assert result.returncode == 0, result.stdout + result.stderr
    assert set(proxy.methods) == {"CONNECT"}
    assert "X-Access-Token" not in proxy.asked[0].headers


def test_a_proxy_with_credentials(instance: RunningInstance, tmp_path: Path) -> None:
    wanted = "Basic " + base64.b64encode(b"suite:pass-of-proxy").decode()
    with proxying(wanted) as proxy, foreign(instance, tmp_path, "proxy = {env = 'PROXY'}") as (file, _):
        options = ("--operation", "list_tags", "--requirement", "CODE-02")
        good, bad = (proxy.url.replace("//", f"//suite:{word}@") for word in ("pass-of-proxy", "wrong-pass-of-proxy"))
        result = run(file, instance, *options, environment={"PROXY": good})
        assert result.returncode == 0, result.stdout + result.stderr
        result = run(file, instance, *options, environment={"PROXY": bad})
    assert result.returncode == 3 and "wants credentials" in told(result)
    everything = "".join(p.read_text(errors="replace") for p in (tmp_path / "runs").rglob("*") if p.is_file())
    assert "pass-of-proxy" not in everything + result.stdout + result.stderr


@pytest.mark.slow
def test_a_tunnel_that_is_refused(instance: RunningInstance, tmp_path: Path, authority: Authority) -> None:
    with proxying("Basic never") as proxy:
        more = f"ca_file = 'authority.pem'\nproxy = '{proxy.url}'"
        result = run_over_tls(instance, tmp_path, authority.server(), more)
    assert result.returncode == 3
    assert f"the proxy {proxy.url}: " in told(result) and "407" in told(result)


@pytest.mark.slow
def test_a_proxy_that_is_down(instance: RunningInstance, tmp_path: Path) -> None:
    with foreign(instance, tmp_path, "proxy = 'http://127.0.0.1:1'") as (file, asked):
        result = run(file, instance, "--operation", "list_tags")
    assert result.returncode == 3 and not asked
    assert "the proxy http://127.0.0.1:1" in told(result) and "refused" in told(result)


def test_a_proxy_of_the_target_comes_before_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    with proxying() as proxy, serving(lambda asked: Reply()) as server:
        target = Target("t", server.url + "/api", Credentials(token="abcdefgh"))
        client = Client(replace(target, proxy=proxy.url), Secrets())
        assert client.send("GET", server.url + "/api/tags").ok
        client.close()
    assert len(proxy.asked) == 1
