"""`cdp serve`: the embedded instance in the foreground."""

from __future__ import annotations

import os
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port; 0 takes a free one.")
@click.option("--data", default=None, help="SQLite file to keep the data in.  [default: a temporary file]")
@click.option("--seed", default=1, show_default=True, help="Seed of the generated data.")
@click.option("--customers", default=2000, show_default=True, help="Number of customers to generate.")
@click.option("--faults", is_flag=True, help="Add the control address /-/fault, which switches deliberate faults.")
@click.option(
    "--awkward",
    is_flag=False,
    flag_value="all",
    default=None,
    metavar="[KIND,...]",
    help="Behave awkwardly in every way that the documents allow, or in some; --awkward=list shows the kinds.",
)
def serve(host: str, port: int, data: str | None, seed: int, customers: int, faults: bool, awkward: str | None) -> None:
    """Run the embedded instance; prints its base URL and the administrator's e-mail and password."""
    options = ["--host", host, "--port", str(port), "--seed", str(seed), "--customers", str(customers)]
    if data is not None:
        options += ["--data", data]
    if faults:
        options.append("--faults")
    if awkward is not None:
        options.append(f"--awkward={awkward}")
    # The instance takes this process over: signals and exit codes are its own, and nothing here imports it.
    os.execv(sys.executable, [sys.executable, "-m", "instance", *options])
