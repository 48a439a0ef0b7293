"""`python -m harness` is the command `harness`."""

import sys
from pathlib import Path

# Files of a user in the working directory would be imported in the place of packages.
if not getattr(sys.flags, "safe_path", False) and Path(sys.path[0]) != Path(__file__).parents[1]:
    del sys.path[0]

from harness.cli import main

main()
