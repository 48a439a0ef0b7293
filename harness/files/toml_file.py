"""The reader of TOML: of the standard library since Python 3.11, before that of a package."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ("tomllib",)
