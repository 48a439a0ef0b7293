"""The spellings of a secret: as it is, encoded, escaped, quoted.

What is escaped is read as URLs, HTML and XML, JSON, Python and shells read it, whichever of its
characters are escaped.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

# In bytes; shorter spellings may occur anywhere by chance.
_MIN_LENGTH = 8
# Encoded texts are often broken into lines.
_SPACE = b" \t\n\r\f\v"
# What stands around a text, or before such a character in it.
_QUOTES = b"\"'\\"
# Data with a byte of these among its first ones is no text, in which something may be escaped.
_IN_NO_TEXT = b"\0"
_LOOKED_AT = 1 << 12
_OF_URLS = re.compile(rb"%([0-9a-fA-F]{2})")
_OF_MARKUP = re.compile(rb"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});")
_OF_STRINGS = re.compile(rb"""(?:\\u[0-9a-fA-F]{4})+|\\(?:x[0-9a-fA-F]{2}|[0-7]{3}|[\\"'/ntrbf])""")
# Beyond ASCII a byte is no letter.
_BYTES_OR_LETTERS = re.compile(rb"\\(?:x[89a-fA-F]|[23][0-7]{2})")
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


def held(data: bytes, secrets: Mapping[str, str]) -> Iterator[str]:
    """The names of the secrets that some data, such as a log, has in one of their spellings."""
    if not secrets:
        return
    joined = data.translate(None, _SPACE)
    lower = joined.lower()
    readings = [data, *_read_otherwise(data)]
    unquoted = data.translate(None, _QUOTES)
    for name, secret in secrets.items():
        plain = secret.encode()
        bare = plain.translate(None, _QUOTES)
        if (
            any(plain in one for one in readings)
            or (bare != plain and len(bare) >= _MIN_LENGTH and bare in unquoted)
            or any(secret.encode(one) in data for one in ("utf-16-le", "utf-16-be"))
            or any(one in joined for one in in_base64(secret))
            or any(one in lower for one in in_base32(secret))
            or plain.hex().encode() in lower
        ):
            yield name


def _read_otherwise(data: bytes) -> Iterator[bytes]:
    """A text without what is escaped in it."""
    if _IN_NO_TEXT in data[:_LOOKED_AT]:
        return
    if _OF_URLS.search(data):
        for text in {data, data.replace(b"+", b" ")}:
            yield _OF_URLS.sub(lambda found: bytes([int(found[1], 16)]), text)
    if _OF_MARKUP.search(data):
        yield _OF_MARKUP.sub(lambda found: html.unescape(found[0].decode()).encode(), data)
    if b"\\" in data and _OF_STRINGS.search(data):
        yield _OF_STRINGS.sub(lambda found: _unescaped(found[0], of_bytes=True), data)
        if _BYTES_OR_LETTERS.search(data):
            yield _OF_STRINGS.sub(lambda found: _unescaped(found[0], of_bytes=False), data)


def _unescaped(escape: bytes, *, of_bytes: bool) -> bytes:
    """What an escape stands for; `\\xe4` is a byte in bytes, and a letter in a text."""
    if escape[1:2] == b"u" and len(escape) > 2:
        return _of_units(escape.replace(b"\\u", b""))
    if escape[1:2] == b"x" and len(escape) > 2:
        return _of_code(int(escape[2:], 16), of_bytes)
    if escape[1:].isdigit() and len(escape) > 2:
        return _of_code(int(escape[1:], 8) & 0xFF, of_bytes)
    return _LETTERS.get(escape[1:], escape[1:])


def _of_code(code: int, of_bytes: bool) -> bytes:
    return bytes([code]) if of_bytes else chr(code).encode()


def _of_units(digits: bytes) -> bytes:
    """The text of code units of UTF-16, of which two may be one character."""
    return bytes.fromhex(digits.decode()).decode("utf-16-be", "replace").encode()


@lru_cache(maxsize=64)
def in_base64(secret: str) -> frozenset[bytes]:
    """What every text in base 64 holds that has the secret in it, whatever stands around it."""
    found = {*_in_base(secret.encode(), 6, 3, base64.b64encode)}
    return frozenset(found | {one.replace(b"+", b"-").replace(b"/", b"_") for one in found})


@lru_cache(maxsize=64)
def in_base32(secret: str) -> frozenset[bytes]:
    """The same in base 32, in small letters."""
    return frozenset(one.lower() for one in _in_base(secret.encode(), 5, 5, base64.b32encode))


def _in_base(
    secret: bytes, bits: int, block: int, encode: Callable[[bytes], bytes]
) -> Iterator[bytes]:
    """The letters of so many bits each that are made of the secret's bits alone."""
    for before in range(block):
        encoded = encode(b"\0" * before + secret)
        first, end = -(-before * 8 // bits), (before + len(secret)) * 8 // bits
        if end - first >= _MIN_LENGTH:
            yield encoded[first:end]
