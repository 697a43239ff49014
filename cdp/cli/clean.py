"""`cdp clean`: remove what runs left on a target."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cdp.cli.runs import runs_option
from cdp.cli.spec import read_contract
from cdp.cli.targeting import Choice, contract_option, target_options
from cdp.exit_codes import BROKEN, NOT_JUDGED, OK
from cdp.ledger import Ledger, left_ledgers
from cdp.secrets import Secrets
from cdp.targets import Target, TargetError

if TYPE_CHECKING:
    from contracts.cleaning import Cleaning

_NOTES = 3  # so many are shown of those that all say the same
_WRITES = "writes"


@click.command()
@target_options
@runs_option("Where the runs and their ledgers are.")
@click.option("--prefix", default="", metavar="cdp-xxxxxxxx", help="Only what the run with this prefix left.")
@click.option(
    "--older-than",
    "hours",
    default=None,
    type=click.FloatRange(0),
    metavar="HOURS",
    help="Only records older than this.",
)
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@contract_option
def clean(
    choice: Choice,
    runs_directory: str,
    prefix: str,
    hours: float | None,
    dry_run: bool,
    contract_path: str | None,
) -> None:
    """Remove what contract runs left on a target: what their ledgers list, and whatever carries a run's prefix.

    Runs that are still going are left alone; with runs from other machines on the same target, use --older-than.
    Exit codes: 0 clean, 1 something is left, 2 usage, 3 target not reachable.
    """
    from cdp.prefixes import PREFIX

    if choice.name is None and choice.url is None:
        raise click.ClickException("name a target: --target NAME, or --url URL (the embedded one keeps nothing)")
    if prefix and not re.fullmatch(PREFIX, prefix):
        raise click.ClickException(f"--prefix {prefix!r} is no prefix of a run (cdp- and eight hexadecimal digits)")
    before = datetime.now(UTC) - timedelta(hours=hours) if hours is not None else None
    try:
        with choice.open() as target:
            if _WRITES not in target.allow and not dry_run:
                raise TargetError("removing records needs writes allowed: --allow writes beside --url, or the entry")
            code = _clean(target, contract_path, Path(runs_directory), prefix, before, dry_run)
    except TargetError as error:
        raise click.ClickException(str(error)) from None
    sys.exit(code)


def _clean(
    target: Target, contract_path: str | None, runs: Path, prefix: str, before: datetime | None, dry_run: bool
) -> int:
    from contracts.arrangement import Arrangement
    from contracts.cells import ADMIN
    from contracts.checks import TargetLost
    from contracts.cleaning import Cleaning
    from contracts.identities import Identities
    from contracts.profiles import PROFILES
    from contracts.session import Identity, Obstacle, Session

    secrets, ledger = Secrets(), Ledger(None)
    session = Session(read_contract(contract_path, target.overlay), target, PROFILES["quick"], 0, ledger, secrets)
    try:
        known = target.credentials
        identities = Identities(session, Arrangement(session))
        token = known.token or identities.login(known.email, known.password, ADMIN)
        session.admin = Identity(ADMIN, token)
        cleaning = Cleaning(session, left_ledgers(runs), prefix, before)
        if cleaning.running:
            click.echo(f"{cleaning.running} runs on this target are still going and are left alone", err=True)
        found = cleaning.find()
        if dry_run:
            for record in found:
                click.echo(f"would remove {record.delete.entity} {record.record_id} of {record.prefix}")
        else:
            cleaning.remove(found)
        return _tell(cleaning, secrets, target, 0 if not dry_run else len(found))
    except (Obstacle, TargetLost) as error:
        click.echo(f"cdp clean: {secrets.redact(str(error))}", err=True)
        return NOT_JUDGED
    finally:
        session.client.close()


def _tell(cleaning: Cleaning, secrets: Secrets, target: Target, waiting: int) -> int:
    """Print what became of everything, and return the exit code."""
    outcome = cleaning.outcome
    for label, kept in (("stays", outcome.stays), ("left", outcome.left)):
        for each in kept:
            click.echo(secrets.redact(f"{label}: {ascii(str(each))[1:-1]}"))
    unread = not outcome.pages and cleaning.blind
    for note in outcome.notes[: _NOTES if unread else None]:
        click.echo(f"cdp clean: {secrets.redact(note)}", err=True)
    if unread:
        more = f"and {len(outcome.notes) - _NOTES} lists more; " if len(outcome.notes) > _NOTES else ""
        click.echo(f"cdp clean: {more}no list could be read, so nothing can be told; try `cdp doctor`", err=True)
    counts = (
        f"{len(outcome.removed)} removed, {len(outcome.left) + waiting} left, {len(outcome.stays)} cannot be removed"
    )
    unseen = ", not every list could be looked through" if cleaning.blind else ""
    click.echo(f"{target.base_url}: {counts}{unseen}")
    if unread and not outcome.removed:
        return NOT_JUDGED
    return BROKEN if outcome.left or waiting or cleaning.blind else OK
