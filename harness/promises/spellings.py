"""The spellings of a secret: as it is, encoded, escaped."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from functools import lru_cache

# In bytes; shorter spellings may occur anywhere by chance.
_MIN_LENGTH = 8
# Encoded texts are often broken into lines.
_SPACE = b" \t\n\r\f\v"


def held(data: bytes, secrets: Mapping[str, str]) -> Iterator[str]:
    """The names of the secrets that some data, such as a log, has in one of their spellings."""
    joined = data.translate(None, _SPACE)
    lower = joined.lower()
    for name, secret in secrets.items():
        if (
            any(one in data for one in escaped(secret))
            or any(one in joined for one in in_base64(secret))
            or secret.encode().hex().encode() in lower
        ):
            yield name


@lru_cache(maxsize=64)
def escaped(secret: str) -> frozenset[bytes]:
    """The spellings that quote some characters, as URLs, JSON, Python, HTML and UTF-16 do."""
    quoted = [quote(secret, safe=safe) for quote in _QUOTES for safe in ("", "/")]
    dumped = json.dumps(secret)[1:-1]
    plain = {
        secret,
        *quoted,
        *(_lower_hex(one) for one in quoted),
        dumped,
        dumped.replace("/", r"\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        "".join(f"\\u{ord(one):04x}" for one in secret),
        "".join(f"\\x{one:02x}" for one in secret.encode()),
        html.escape(secret),
    }
    return frozenset(
        {*(one.encode() for one in plain), secret.encode("utf-16-le"), secret.encode("utf-16-be")}
    )


_QUOTES = (urllib.parse.quote, urllib.parse.quote_plus)


def _lower_hex(quoted: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)


@lru_cache(maxsize=64)
def in_base64(secret: str) -> frozenset[bytes]:
    """What every text in base 64 holds that has the secret in it, whatever stands around it."""
    return frozenset(one for one in _in_base64(secret.encode()) if len(one) >= _MIN_LENGTH)


def _in_base64(secret: bytes) -> Iterator[bytes]:
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret)
        # Letters that are made of the secret's bits alone.
        first, end = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        part = encoded[first:end]
        yield part
        yield part.replace(b"+", b"-").replace(b"/", b"_")
