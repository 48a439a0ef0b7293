"""The `harness` command: registers `harness.commands`, and turns errors into exit codes.

The exit codes are those of `harness.errors.Exit`.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click

from harness.commands.accept import accept
from harness.commands.baseline import baseline
from harness.commands.check import check
from harness.commands.diff import diff
from harness.commands.explain import explain
from harness.commands.infer import infer
from harness.commands.lint import lint
from harness.commands.list_cases import list_cases
from harness.commands.merge import merge
from harness.commands.new import new
from harness.commands.options import EPILOG, print_errors
from harness.commands.parity import parity
from harness.commands.replay import replay
from harness.commands.report import report
from harness.commands.schema import schema
from harness.commands.sdk import sdk
from harness.errors import Exit, HarnessError
from harness.signals import STOP_SIGNALS

_COMMANDS = (
    check,
    merge,
    report,
    diff,
    baseline,
    list_cases,
    replay,
    accept,
    parity,
    lint,
    infer,
    explain,
    new,
    schema,
    sdk,
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="step-harness")
def cli() -> None:
    """Proves that a SageMaker step script keeps its contract."""


for _command in _COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """The entry point: maps every error to its exit code."""
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        cli.main(standalone_mode=False)
    except HarnessError as error:
        print_errors([error])
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("harness: stopped; nothing is left running", err=True)
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader has closed the pipe, as in `harness list | head`.
        sys.stderr.close()
        sys.exit(Exit.CONFORMS)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
