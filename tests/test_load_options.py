"""The options of a load run, and which targets it may go to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cdp.targets import TargetError
from load.admission import find_target
from load.options import TABLE, LoadOptions, OptionError, read_options, shape, span_s
from load.plan import check

ACCOUNT = {"CDP_TOKEN": "token-of-the-test"}


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1m5s", 65)])
def test_spans(text: str, seconds: int) -> None:
    assert span_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "5 minutes", "1.5m", "m", "soon"])
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="no time span"):
        span_s(text)


@pytest.mark.parametrize("text", ["trace rates.csv", "trace:rates.csv", "trace  rates.csv"])
def test_a_trace_names_its_file(text: str) -> None:
    assert shape(text) == "trace rates.csv"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rate": "0"}, "above 0"),
        ({"rate": "-3"}, "above 0"),
        ({"rate": "nan"}, "above 0"),
        ({"rate": "inf"}, "above 0"),
        ({"rate": "fast"}, "above 0"),
        ({"scenario": "browse"}, "not one of search, ingest, mixed"),
        ({"rate": "5", "shape": "triangle"}, "not one of steady"),
        ({"rate": "5", "shape": "trace"}, "needs a file"),
        ({"rate": "5", "shape": "ramp rates.csv"}, "takes no file"),
        ({"rate": "5", "shape": "trace rates.csv"}, "says its own rate"),
        ({"shape": "ramp"}, "give a --rate"),
        ({"rate": "5", "arrivals": "clumped"}, "not one of poisson"),
        ({"rate": "5", "uploads": "120%"}, "no share"),
        ({"rate": "5", "searches": "0.8", "ingestion": "0.3"}, "together above 1"),
        ({"rate": "5", "warm_up": "60s"}, "leaves nothing"),
        ({"rate": "5", "check_every": "0"}, "above 0"),
        ({"rate": "5", "connections": "many"}, "whole number"),
        ({"find_capacity": True, "start": "50", "max_rate": "1"}, "--start 50 is above --max-rate 1"),
    ],
)
def test_values_that_cannot_be_used(values: dict[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words) as told:
        read_options(values, 60)
    assert "\n" not in str(told.value)


def test_what_is_not_given_has_the_same_default_in_the_table_and_in_the_record() -> None:
    assert read_options({}, None) == LoadOptions()
    assert {option.dest for option in TABLE} | {"time_s"} == set(LoadOptions().as_record())


def test_options_survive_the_way_over_the_command_line() -> None:
    given = read_options(
        {"scenario": "ingest", "rate": "12.5", "shape": "trace:x.csv", "seed": "7", "keep_going": True}
        | {"rate": None},
        None,
    )
    words = dict(argument.removeprefix("--").partition("=")[::2] for argument in given.as_arguments())
    assert words == {"scenario": "ingest", "shape": "trace x.csv", "seed": "7", "keep-going": ""}


def test_how_long_it_takes() -> None:
    assert read_options({"rate": "5"}, None).duration_s == 60
    assert read_options({"rate": "5", "shape": "soak"}, None).duration_s == 600
    assert read_options({"rate": "5", "shape": "soak"}, 30).duration_s == 30
    assert read_options({}, None).duration_s is None


def write_targets(path: Path, *lines: str) -> str:
    head = ["[targets.staging]", 'base_url = "https://staging.example.com/api"', 'token_env = "CDP_TOKEN"']
    path.write_text("\n".join([*head, *lines]))
    return str(path)


def named(tmp_path: Path, *lines: str) -> LoadOptions:
    return LoadOptions(target="staging", targets=write_targets(tmp_path / "targets.toml", *lines), rate=10)


def test_a_target_that_does_not_allow_load_gets_none(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="does not allow load and writes"):
        find_target(named(tmp_path), None, ACCOUNT)
    with pytest.raises(TargetError, match="does not allow load, "):
        find_target(replace(named(tmp_path), scenario="search"), None, ACCOUNT)
    with pytest.raises(TargetError, match="does not allow writes"):
        find_target(named(tmp_path, 'allow = ["load"]'), None, ACCOUNT)
    assert find_target(named(tmp_path, 'allow = ["load", "writes"]'), None, ACCOUNT).name == "staging"


def test_this_machine_needs_no_permission() -> None:
    assert find_target(LoadOptions(rate=10), "http://127.0.0.1:8080", ACCOUNT).origin == "http://127.0.0.1:8080"


def test_a_host_by_itself_needs_permission() -> None:
    with pytest.raises(TargetError, match="does not allow load"):
        find_target(LoadOptions(rate=10, scenario="search"), "https://staging.example.com", ACCOUNT)
    allowed = LoadOptions(rate=10, scenario="search", allow="load")
    assert find_target(allowed, "https://staging.example.com", ACCOUNT).host == "staging.example.com"


def test_production_needs_its_flag() -> None:
    options = LoadOptions(rate=10, scenario="search", allow="load")
    with pytest.raises(TargetError, match="looks like production"):
        find_target(options, "https://cdp-prod.example.com", ACCOUNT)
    known = replace(options, i_know_this_is_production=True)
    assert find_target(known, "https://cdp-prod.example.com", ACCOUNT).host == "cdp-prod.example.com"


def test_a_rate_above_that_of_the_target_is_refused(tmp_path: Path) -> None:
    options = named(tmp_path, 'allow = ["load", "writes"]', "max_rps = 5")
    with pytest.raises(TargetError, match="5 requests a second at most"):
        find_target(options, None, ACCOUNT)
    assert find_target(replace(options, rate=5), None, ACCOUNT).max_rps == 5
    with pytest.raises(TargetError, match="give a --rate"):
        find_target(replace(options, rate=None), None, ACCOUNT)


def test_a_rate_above_that_of_an_entry_is_refused_on_this_machine_too(tmp_path: Path) -> None:
    entry = '[targets.here]\nbase_url = "http://127.0.0.1:8080/api"\ntoken_env = "CDP_TOKEN"\nmax_rps = 5\n'
    (tmp_path / "targets.toml").write_text(entry)
    options = LoadOptions(target="here", targets=str(tmp_path / "targets.toml"), rate=10)
    with pytest.raises(TargetError, match="5 requests a second at most"):
        find_target(options, None, ACCOUNT)
    assert find_target(replace(options, rate=5), None, ACCOUNT).max_rps == 5


def test_a_run_beyond_its_request_budget_is_refused() -> None:
    with pytest.raises(OptionError, match="about 6,000 requests, more than --max-requests 1,000"):
        check(LoadOptions(rate=100, max_requests=1000))
    check(LoadOptions(rate=100, max_requests=6000))


@pytest.mark.parametrize(
    ("host", "words"),
    [(None, "no target"), ("https://other.example.com", "name different instances")],
)
def test_targets_that_are_not_clear(tmp_path: Path, host: str | None, words: str) -> None:
    options = named(tmp_path, 'allow = ["load", "writes"]') if host else LoadOptions(rate=10)
    with pytest.raises(TargetError, match=words):
        find_target(options, host, ACCOUNT)


def test_load_does_not_go_through_a_proxy(tmp_path: Path) -> None:
    options = named(tmp_path, 'allow = ["load", "writes"]', 'proxy = "http://proxy.example.com:3128"')
    with pytest.raises(TargetError, match="behind a proxy"):
        find_target(options, None, ACCOUNT)
