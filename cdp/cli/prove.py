"""`cdp prove`: switch on faults of the embedded instance one by one, and see whether the suite names each of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from cdp.cli.targeting import seed_option
from cdp.exit_codes import BROKEN, NOT_JUDGED, OK
from cdp.proof_results import FOUND, PROOF_FILE, PROOFS, Trial, read_proof
from cdp.records import ResultsError, run_directory
from cdp.targets import TargetError

if TYPE_CHECKING:
    from contracts.proof.run import Proof


@click.command(
    epilog="""\b
Examples:
  cdp prove --sample 100                      a hundred mutants, as CI does
  cdp prove --profile quick --profile release every kind on several operations: the full proof
  cdp prove --only PAGE-03                    the faults that break one requirement
  cdp prove --only offset-in-pages/list_feeds one mutant, to look at a survivor
  cdp prove --load                            faults that show under load or in an audit, four minutes
  cdp prove --continue reports/proofs/...     go on with a proof that was cut off"""
)
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(["quick", "release", "nightly"]),
    multiple=True,
    default=["quick"],
    show_default=True,
    help="May be repeated: a mutant that survives one is tried with the next.",
)
@click.option("--sample", type=click.IntRange(1), default=None, help="Try only this many mutants, drawn by the seed.")
@click.option(
    "--per-kind",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Try each kind on at most this many operations.",
)
@click.option(
    "--only", multiple=True, help="Only this fault, mutant (FAULT/OPERATION) or requirement; may be repeated."
)
@seed_option
@click.option(
    "--clean-seeds",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Number of runs on the clean instance first, each with its own seed.",
)
@click.option(
    "-n",
    "--processes",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Number of mutants to try at a time.",
)
@click.option(
    "--continue",
    "continued",
    type=click.Path(path_type=Path),
    default=None,
    help="Continue the proof in this directory.",
)
@click.option(
    "--proofs", default=str(PROOFS), show_default=True, help="Directory in which the proof's directory is created."
)
@click.option(
    "--load", "under_load", is_flag=True, help="Try the faults that show only under load, with load runs and audits."
)
@click.option("--list", "listing", is_flag=True, help="List the kinds of faults and exit.")
def prove(
    profiles: tuple[str, ...],
    sample: int | None,
    per_kind: int,
    only: tuple[str, ...],
    seed: int,
    clean_seeds: int,
    processes: int,
    continued: Path | None,
    proofs: str,
    under_load: bool,
    listing: bool,
) -> None:
    """Prove that the suite finds faults: a fault for every check, and no false alarm.

    Exit codes: 0 every mutant was found and the clean instance is in order, 1 not so, 2 usage, 3 cut off.
    """
    from cdp.fault_control import ProofError
    from contracts.proof.run import Proof, Wanted

    if listing:
        _list()
        return
    directory = _directory(continued, Path(proofs))
    if under_load:
        _prove_load(directory, seed)
    proof = Proof(Wanted(profiles, seed, processes, per_kind, sample, only, clean_seeds), directory)
    try:
        try:
            _run_clean(proof)
            _try_all(proof)
        except KeyboardInterrupt:
            if proof.trials:
                _report(directory)
            click.echo(f"\ninterrupted; go on with: cdp prove --continue {directory}", err=True)
            sys.exit(NOT_JUDGED)
        sys.exit(_report(directory))
    except (ProofError, TargetError) as error:
        raise click.ClickException(str(error)) from None
    except ResultsError as error:
        click.echo(f"cdp prove: {error}", err=True)
        sys.exit(NOT_JUDGED)


def _directory(continued: Path | None, proofs: Path) -> Path:
    """Where the proof is kept. ClickException for one that is none, or where none can be made."""
    if continued is None:
        try:
            return run_directory(proofs, "embedded")
        except ResultsError as error:
            raise click.ClickException(str(error)) from None
    if not continued.is_dir() or (any(continued.iterdir()) and not (continued / PROOF_FILE).is_file()):
        raise click.ClickException(f"{continued} holds no proof; give the directory that `cdp prove` made")
    return continued


def _prove_load(directory: Path, seed: int) -> NoReturn:
    """Every fault under load, one run each, four minutes in all; ends the process."""
    from cdp.fault_control import ProofError
    from load.proof import prove_load
    from reports.console import make_console
    from reports.proof_terminal import Trials

    try:
        with Trials(0, make_console(sys.stderr)) as progress:
            for number, (trial, total) in enumerate(prove_load(directory, seed), start=1):
                progress.expect(total)
                progress.tried(trial, number)
        sys.exit(_report(directory))
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; what was tried stands in {directory}", err=True)
        sys.exit(NOT_JUDGED)
    except (ProofError, TargetError) as error:
        raise click.ClickException(str(error)) from None
    except ResultsError as error:
        click.echo(f"cdp prove: {error}", err=True)
        sys.exit(NOT_JUDGED)


def _list() -> None:
    from cdp.embedded import embedded_instance
    from cdp.fault_control import Control
    from contracts.proof.pool import SMALL

    with embedded_instance(*SMALL) as target:
        for kind in Control(target.origin).kinds():
            click.echo(f"{kind.name:32} {' '.join(kind.by):20} {kind.what}")


def _run_clean(proof: Proof) -> None:
    total = proof.wanted.clean_seeds * len(proof.wanted.profiles)
    click.echo(f"the clean instance, {total} run{'s' * (total > 1)} ...", err=True)
    for number, run in enumerate(proof.prepare(), start=1):
        click.echo(f"{number} of {total}: {run.profile} with seed {run.seed}, {len(run.alarms)} false alarms", err=True)


def _try_all(proof: Proof) -> None:
    from reports.console import make_console
    from reports.proof_terminal import Trials

    with Trials(len(proof.mutants), make_console(sys.stderr)) as progress:
        for trial in proof.run():
            progress.tried(trial, len(proof.trials))


def _report(directory: Path) -> int:
    from reports.proof import write_proof_reports
    from reports.proof_terminal import print_proof

    run = read_proof(directory / PROOF_FILE)
    print_proof(run)
    for path in write_proof_reports(run, directory):
        click.echo(str(path))
    clean = not any(run.header["clean"].values())
    return OK if clean and all(_counts(trial) for trial in run.trials) else BROKEN


def _counts(trial: Trial) -> bool:
    return trial.outcome == FOUND
