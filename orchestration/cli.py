"""The `trade-credit` command: run a night, show where things stand, look for trouble, document, open the interface.

Exit codes: 0 done (for `run`: published), 1 a gate or step failed and nothing published changed,
2 wrong usage or configuration, 130 stopped by you.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from orchestration import telemetry
from orchestration.masking import mask, mask_logging
from orchestration.plain_text import plain_lines

if TYPE_CHECKING:
    from orchestration.settings import Settings

FAILED = 1
MISUSED = 2
STOPPED = 130


class _Day(click.ParamType[date]):
    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"received {value!r}; valid is a day written YYYY-MM-DD, for example 2026-10-31", param, ctx
            )


def entry() -> None:
    """Run the command as a program of its own.

    Exit functions run as always, then the process ends without tearing the interpreter down: importing Great
    Expectations keeps modules alive to the very end, and DuckDB's Python module would print a page of notes on
    types that were not freed.
    """
    code: int | str | None = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


_config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file; without it the demo company is used.",
)


class _Told(click.Group):
    """A command whose every error reaches the person as words; the trace of an unforeseen one goes to a file."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            _fail("Stopped by you (Ctrl-C).", code=STOPPED)
        except Exception as error:
            _fail(_unforeseen(error))


def _unforeseen(error: Exception) -> str:
    from orchestration.faults import FORESEEN, explained
    from orchestration.memory import write_trace
    from orchestration.settings import DEFAULT_HOME, HOME_VARIABLE

    text = explained(error)
    if isinstance(error, FORESEEN):
        return text
    try:
        return f"{text}\nIts trace is in {write_trace(Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME), error)}"
    except OSError:
        return text


@click.group(cls=_Told, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="trade-credit")
def main() -> None:
    """Which business customers can we safely sell to on credit? One mart, every night."""
    telemetry.switch_off()
    mask_logging()


@main.command()
@_config_option
@click.option(
    "--as-of",
    type=_Day(),
    help="Day the run answers for; later events are unknown to it. Default: yesterday.",
)
@click.option("--full-refresh", is_flag=True, help="Read every source in full instead of only what is new.")
@click.option(
    "--accept-drop",
    multiple=True,
    metavar="SOURCE.TABLE",
    help="Take a source table as right tonight, though most of its rows have vanished; may be repeated.",
)
@click.option("--accept-day", is_flag=True, help="The day is meant, though it is far off or in the future.")
def run(
    config: Path | None,
    as_of: date | None,
    full_refresh: bool,
    accept_drop: tuple[str, ...],
    accept_day: bool,
) -> None:
    """Run one night and publish it, or change nothing."""
    settings = _settings(config)
    from orchestration.clock import company_today, night_due
    from orchestration.launch import run_night
    from orchestration.night import NightOptions, UnlikelyDayError, stopped_text
    from orchestration.settings import ConfigurationError
    from orchestration.sources.landing.losses import UnknownTableError
    from orchestration.stop import stopped_by, watching
    from orchestration.summary import night_summary
    from orchestration.warehouse import WarehouseError

    try:
        day = as_of or night_due(settings, company_today(settings))
        _say(f"{settings.company}: the night of {day}", err=True)
        with watching():
            try:
                outcome = run_night(settings, day, NightOptions(full_refresh, accept_drop, accept_day))
            except KeyboardInterrupt:
                _fail(stopped_text(stopped_by() or "Ctrl-C"), code=STOPPED)
    except (ConfigurationError, UnlikelyDayError, UnknownTableError) as error:
        _fail(str(error), code=MISUSED)
    except WarehouseError as error:
        _fail(str(error))
    for notice in outcome.notices:
        _say(f"Notice: {notice}", err=True)
    unchanged = f"What was published before is unchanged ({settings.publication_dir / 'current'})."
    if outcome.state == "stopped":
        _fail(f"The night of {day} was not published. {outcome.error}\n\n{unchanged}", code=STOPPED)
    if outcome.publication is None:
        _fail(
            f"The night of {day} was not published. Failed step: {outcome.failed_step}\n\n{outcome.error}\n\n"
            + unchanged
        )
    _say(night_summary(outcome.publication, settings))


@main.command()
@_config_option
@click.option("--json", "as_json", is_flag=True, help="Print facts for a program to read.")
def status(config: Path | None, as_json: bool) -> None:
    """Show what is published, how the last run ended, and what needs someone."""
    settings = _settings(config)
    from orchestration.status import current_status, status_text

    facts = current_status(settings)
    _say(json.dumps(facts, indent=2) if as_json else status_text(facts))


@main.command()
@_config_option
@click.argument("customer")
def explain(config: Path | None, customer: str) -> None:
    """Say what the published score of CUSTOMER (a customer_code) is made of and what changed since an earlier night."""
    settings = _settings(config)
    from orchestration.explain_customer import UnknownCustomerError, explain_customer
    from orchestration.warehouse import WarehouseError

    try:
        _say(explain_customer(settings, customer))
    except (UnknownCustomerError, WarehouseError) as error:
        _fail(str(error))


@main.command()
@_config_option
@click.option("--as-of", type=_Day(), help="Day the policy is shown for. Default: yesterday.")
@click.argument("table", required=False)
def policy(config: Path | None, as_of: date | None, table: str | None) -> None:
    """Show the policy in force on a day, all of it or one TABLE, and which file each value comes from."""
    settings = _settings(config)
    from orchestration.clock import company_today, night_due
    from orchestration.policy import policy_tables, policy_text

    if table is not None and table not in policy_tables():
        _fail(f"{table!r} is no table of the policy; valid: {', '.join(policy_tables())}", code=MISUSED)
    _say(policy_text(settings.policy, as_of or night_due(settings, company_today(settings)), table))


@main.command()
@_config_option
@click.option(
    "--sample/--no-sample",
    default=None,
    help="Read some rows of every source through the mapping and the rules, and show what would wait. Done unasked, "
    "without services, until a night is published.",
)
def doctor(config: Path | None, sample: bool | None) -> None:
    """Check the machine, the configuration, the sources and the publication; exit 1 where something is wrong."""
    settings = _settings(config)
    from orchestration.clock import company_today, night_due
    from orchestration.doctor import examine
    from orchestration.publication import current_publication
    from orchestration.warehouse import WarehouseError

    today = company_today(settings)
    findings = examine(settings, today=today)
    for finding in findings:
        _say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.text}")
    if not all(finding.ok for finding in findings):
        sys.exit(FAILED)
    is_first = settings.demo is None and current_publication(settings.publication_dir) is None
    if sample or (sample is None and is_first):
        from orchestration.trial import try_sources

        try:
            trial = try_sources(settings, as_of=night_due(settings, today), with_services=bool(sample))
        except WarehouseError as error:
            _fail(str(error))
        for line in [*trial.told, *(line for table in trial.tables for line in table.lines())]:
            _say(line)
        if trial.problem is not None:
            _fail(trial.problem)


@main.command()
@_config_option
@click.option(
    "--policy",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the tables of the other policy, as `policy` of the configuration names one.",
)
def simulate(config: Path | None, folder: Path) -> None:
    """Try another policy: what its warnings would have been worth, and whose limits it would cut."""
    settings = _settings(config)
    from orchestration.dbt_runner import DbtError
    from orchestration.night import NightError
    from orchestration.settings import ConfigurationError
    from orchestration.simulate import simulation_text, try_policy
    from orchestration.warehouse import WarehouseError

    try:
        _say(simulation_text(try_policy(settings, folder)))
    except ConfigurationError as error:
        _fail(str(error), code=MISUSED)
    except (NightError, WarehouseError, DbtError) as error:
        _fail(str(error))


@main.command()
@_config_option
@click.option(
    "--rollback", is_flag=True, help="Point readers at PUBLICATION, or at the one before the current."
)
@click.argument("publication", required=False)
def publish(config: Path | None, rollback: bool, publication: str | None) -> None:
    """List the publications on disk, or point readers at an earlier one; a night publishes by itself."""
    settings = _settings(config)
    from orchestration.publication import current_publication, roll_back, whole_publications
    from orchestration.warehouse import (
        NightInProgressError,
        WarehouseError,
        hold_night_lock,
        release_night_lock,
    )

    if publication and not rollback:
        _fail(f"Nothing to do with {publication!r}: give --rollback to point readers at it.", code=MISUSED)
    try:
        if rollback:
            hold_night_lock(settings.home)
            try:
                now = roll_back(settings.publication_dir, publication)
            finally:
                release_night_lock(settings.home)
            _say(
                f"Readers see {now.publication_id}, the night of {now.as_of}. The next night publishes as ever."
            )
            return
        current = current_publication(settings.publication_dir)
        for found in whole_publications(settings.publication_dir):
            mark = "current" if current and found.publication_id == current.publication_id else ""
            _say(
                f"{found.publication_id:32} night of {found.as_of}  {len(found.tables):>3} tables  {mark}".rstrip()
            )
        if current is None:
            _say("Nothing is published yet.")
    except (WarehouseError, NightInProgressError) as error:
        _fail(str(error))


@main.command()
@_config_option
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def cockpit(config: Path | None, language: str, folder: Path) -> None:
    """Write the credit cockpit of the last publication to FOLDER, for a web server or to pass on.

    It opens from the folder itself: FOLDER/<language>/index.html. A publication carries one of its own.
    """
    settings = _settings(config)
    from orchestration.cockpit.site import write_cockpit
    from orchestration.publication import open_publication
    from orchestration.warehouse import WarehouseError, current_publication

    try:
        publication = current_publication(settings.publication_dir)
        if publication is None:
            _fail("Nothing is published yet: run a night with `trade-credit run` first.")
        if (folder / language).exists():
            _fail(f"{folder / language} is there already: name another folder, or remove it.", code=MISUSED)
        with open_publication(publication) as connection:
            write_cockpit(
                connection,
                folder,
                company=publication.company,
                as_of=date.fromisoformat(publication.as_of),
                currency=publication.reporting_currency,
                languages=[language],
            )
    except (WarehouseError, OSError) as error:
        _fail(str(error))
    _say(f"{folder / language / 'index.html'}")


@main.command()
@_config_option
def docs(config: Path | None) -> None:
    """Write the documentation of every table and column of the last published night as one HTML page."""
    settings = _settings(config)
    from orchestration.dbt_runner import DbtError, generate_docs
    from orchestration.night import dbt_variables
    from orchestration.warehouse import (
        WarehouseError,
        current_publication,
        hold_night_lock,
        release_night_lock,
    )

    try:
        publication = current_publication(settings.publication_dir)
        if publication is None:
            _fail("Nothing is published yet, so there is nothing to document. Run `trade-credit run` first.")
        hold_night_lock(settings.home)
        try:
            variables = dbt_variables(settings, date.fromisoformat(publication.as_of))
            page = generate_docs(settings.home, settings.warehouse_path, variables=variables)
        finally:
            release_night_lock(settings.home)
    except (WarehouseError, DbtError) as error:
        _fail(str(error))
    _say(str(page))


@main.command()
@_config_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=int)
def ui(config: Path | None, host: str, port: int) -> None:
    """Open Dagster's web interface on the same state, with the nightly schedule."""
    settings = _settings(config)
    from orchestration.instance import prepare_instance
    from orchestration.memory import claim_home
    from orchestration.settings import HOME_VARIABLE, ConfigurationError

    try:
        claim_home(settings)
        mended = prepare_instance(settings.dagster_dir)
    except ConfigurationError as error:
        _fail(str(error), code=MISUSED)
    for text in mended:
        _say(f"Notice: {text}", err=True)
    os.environ[HOME_VARIABLE] = str(settings.home.resolve())
    if config is not None:
        os.environ["TRADE_CREDIT_CONFIG"] = str(config.resolve())
    _say(f"Dagster: http://{host}:{port} (stop with Ctrl-C)", err=True)
    arguments = ["dev", "-m", "orchestration.definitions", "-h", host, "-p", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])


def _settings(config: Path | None) -> Settings:
    from orchestration.engine import allow_engine
    from orchestration.settings import ConfigurationError, load_settings

    try:
        settings = load_settings(config, env=os.environ)
    except ConfigurationError as error:
        _fail(str(error), code=MISUSED)
    allow_engine(settings.engine.options())
    return settings


def _say(text: str, *, err: bool = False) -> None:
    """The one outlet of this command: no secret leaves by it, and no text from data moves the cursor."""
    click.echo(plain_lines(mask(text)), err=err)


def _fail(text: str, *, code: int = FAILED) -> NoReturn:
    _say(text, err=True)
    sys.exit(code)
