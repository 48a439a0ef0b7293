"""The commands of `harness`, a module each; `harness.cli` registers them.

What a command needs is imported when it runs, so that `harness --help` answers at once.
"""

from __future__ import annotations
