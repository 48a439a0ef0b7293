"""The commands of `harness`, one module each; imports everything except `harness.cli`.

A command imports what it needs when it runs, so that `harness --help` is fast.
"""

from __future__ import annotations
