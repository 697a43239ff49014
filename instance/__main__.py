"""`python -m instance`: serves an embedded instance."""

from __future__ import annotations

import argparse
import sys

from instance.awkward import ALL, LIST, UnknownKind, chosen, shown
from instance.server import CannotServe, serve


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve; answers the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.faults and given.data is not None:
        parser.error("--faults lays the data anew for each fault; it takes no --data")
    if given.faults and given.awkward is not None:
        parser.error("--faults and --awkward do not go together: a fault is to be seen on its own")
    if given.awkward == LIST:
        print(shown())
        return 0
    try:
        awkward = chosen(given.awkward, given.seed) if given.awkward is not None else None
    except UnknownKind as error:
        parser.error(str(error))
    try:
        serve(
            host=given.host,
            port=given.port,
            data=given.data,
            seed=given.seed,
            customers=given.customers,
            events=given.events,
            exit_with_parent=given.exit_with_parent,
            faults=given.faults,
            awkward=awkward,
        )
    except CannotServe as error:
        print(f"cdp serve: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cdp serve", description="Serve an embedded instance of the CDP API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on; 0 = a free one (default)")
    parser.add_argument("--data", metavar="FILE", help="keep the data in this file (default: a temporary one)")
    parser.add_argument("--seed", type=int, default=1, help="what the made-up data depends on (default: %(default)s)")
    parser.add_argument("--customers", type=_count, default=2000, help="how many customers (default: %(default)s)")
    parser.add_argument("--events", type=_count, default=20000, help="how many customer events (default: %(default)s)")
    parser.add_argument("--faults", action="store_true", help="switch faults at the control address /-/fault")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when the starting process ends")
    parser.add_argument(
        "--awkward",
        nargs="?",
        const=ALL,
        metavar="KIND,...",
        help="be awkward in every way that the documents allow, or in some; list shows the kinds",
    )
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return value


if __name__ == "__main__":
    sys.exit(main())
