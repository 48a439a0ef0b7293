"""The fake world's network: none, as in a container without one.

An address elsewhere is unreachable, a name is not found, and on this machine nobody listens.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

_REAL: dict[str, Any] = {"inet_pton": socket.inet_pton, "strerror": os.strerror}
_HERE = ("localhost", "", None)


def watch(event: str, args: tuple[Any, ...]) -> None:
    """Refuse what an audit event tells of, if it needs a network; raises `OSError`."""
    if (refuse := _REFUSED.get(event)) is not None:
        refuse(args)


def cut() -> None:
    """Keep sockets from asking for a name, which they do before any event tells of it."""
    connect_, sendto_ = socket.socket.connect, socket.socket.sendto

    def connect(one: socket.socket, address: Any) -> None:
        _address((one, address))
        connect_(one, address)

    def connect_ex(one: socket.socket, address: Any) -> int:
        try:
            connect(one, address)
        except socket.gaierror:
            raise
        except OSError as error:
            return error.errno or 0
        return 0

    def sendto(one: socket.socket, data: Any, *rest: Any) -> int:
        _address((one, rest[-1]))
        return sendto_(one, data, *rest)

    for function in (connect, connect_ex, sendto):
        setattr(socket.socket, function.__name__, function)


def _address(args: tuple[Any, ...]) -> None:
    """Of a socket and an address: whether that can be reached."""
    one, address = args[:2]
    if address is None:
        return
    if one.family == socket.AF_UNIX:
        raise _error(errno.ENOENT)
    if one.family == socket.AF_INET6:
        raise _error(errno.EADDRNOTAVAIL)
    if one.family != socket.AF_INET:
        return
    host = address[0]
    _name((host,))
    if _is_number(host) and not str(host).startswith("127."):
        raise _error(errno.ENETUNREACH)
    if one.type & socket.SOCK_STREAM:
        raise _error(errno.ECONNREFUSED)


def _name(args: tuple[Any, ...]) -> None:
    """Of a host's name: whether it is known."""
    host = args[0].decode("ascii", "replace") if isinstance(args[0], bytes) else args[0]
    if host not in _HERE and not _is_number(host):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def _number(args: tuple[Any, ...]) -> None:
    """Of a host's number: whether its name is known."""
    _name(args)
    if not str(args[0]).startswith("127."):
        # The number is that of a server that does not answer: TRY_AGAIN in netdb.h.
        raise socket.herror(2, "Host name lookup failure")


def _nobody(_args: tuple[Any, ...]) -> None:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


_REFUSED: Mapping[str, Callable[[tuple[Any, ...]], None]] = {
    "socket.connect": _address,
    "socket.sendto": _address,
    "socket.sendmsg": _address,
    "socket.getaddrinfo": _name,
    "socket.gethostbyname": _name,
    "socket.gethostbyaddr": _number,
    "socket.getnameinfo": _nobody,
}


def _is_number(host: Any) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            _REAL["inet_pton"](family, host)
        except (OSError, TypeError, ValueError):
            continue
        return True
    return False


def _error(number: int) -> OSError:
    return OSError(number, _REAL["strerror"](number))
