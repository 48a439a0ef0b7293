"""The `harness` command: registers `harness.commands`, and turns errors into exit codes.

The exit codes are those of `harness.errors.Exit`.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from types import FrameType

import click

from harness.commands import surroundings
from harness.commands.accept import accept
from harness.commands.baseline import baseline
from harness.commands.check import check
from harness.commands.ci import ci
from harness.commands.defaults import default_map
from harness.commands.diff import diff
from harness.commands.docs import docs
from harness.commands.explain import explain
from harness.commands.infer import infer
from harness.commands.lint import lint
from harness.commands.list_cases import list_cases
from harness.commands.merge import merge
from harness.commands.new import new
from harness.commands.options import EPILOG, print_errors, say
from harness.commands.parity import parity
from harness.commands.replay import replay
from harness.commands.report import report
from harness.commands.schema import schema
from harness.commands.sdk import sdk
from harness.commands.watch import watch
from harness.errors import Exit, HarnessError
from harness.signals import STOP_SIGNALS

_COMMANDS = (
    check,
    watch,
    merge,
    report,
    diff,
    baseline,
    ci,
    list_cases,
    replay,
    accept,
    parity,
    lint,
    infer,
    explain,
    docs,
    new,
    schema,
    sdk,
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="step-harness")
@click.pass_context
def cli(context: click.Context) -> None:
    """Proves that a SageMaker step script keeps its contract."""
    command = context.invoked_subcommand or ""
    context.default_map = {command: default_map(command)}


for _command in _COMMANDS:
    cli.add_command(_command)

# The signals that were to stop this process.
_signals: list[int] = []


def main() -> None:
    """The entry point: maps every error to its exit code."""
    surroundings.put_in_order()
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        code = run()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BrokenPipeError:
        # The reader has closed the pipe, as in `harness list | head`.
        surroundings.drop_output()
        code = Exit.CONFORMS
    except OSError as error:
        surroundings.drop_output()
        code = Exit.WRONG_USE
        # Standard error may be where it cannot be written.
        with contextlib.suppress(OSError):
            say(f"harness: what it prints cannot be written: {error.strerror}")
    surroundings.end(code)


def run() -> int:
    """Run the command of this process's arguments; its exit code."""
    try:
        code = cli.main(standalone_mode=False)
        return code if isinstance(code, int) else Exit.CONFORMS
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.WRONG_USE
    except HarnessError as error:
        print_errors([error])
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        if context is not None:
            click.echo(context.get_usage(), err=True)
        say(f"Error: {error.format_message()}")
        return Exit.WRONG_USE
    except (click.Abort, KeyboardInterrupt):
        return _stopped()
    except BrokenPipeError:
        raise
    except OSError as error:
        print_errors([surroundings.describe(error)])
        return Exit.WRONG_USE
    except MemoryError:
        print_errors([HarnessError("there is not enough memory", "free some, or try fewer cases")])
        return Exit.WRONG_USE
    except Exception as error:
        if _signals:
            # Libraries turn the interrupt into errors of their own.
            return _stopped()
        if surroundings.shows_tracebacks():
            raise
        print_errors([surroundings.defect(error)])
        return Exit.WRONG_USE


def _stopped() -> int:
    say("harness: stopped; nothing is left running")
    return Exit.INTERRUPTED


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _signals.append(number)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
