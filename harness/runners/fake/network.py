"""No network for scripts in the fake runner, as in a container without one.

Remote addresses are unreachable, host names are not resolved, local connections are refused.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

_REAL: dict[str, Any] = {"inet_pton": socket.inet_pton, "strerror": os.strerror}
_LOCAL_HOSTS = ("localhost", "", None)


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook: raises the `OSError` of a machine without a network for a socket event."""
    if (check := _CHECKS.get(event)) is not None:
        check(args)


def patch_sockets() -> None:
    """Check host names before sockets resolve them, which precedes their audit events."""
    connect_, sendto_ = socket.socket.connect, socket.socket.sendto

    def connect(sock: socket.socket, address: Any) -> None:
        _check_address((sock, address))
        connect_(sock, address)

    def connect_ex(sock: socket.socket, address: Any) -> int:
        try:
            connect(sock, address)
        except socket.gaierror:
            raise
        except OSError as error:
            return error.errno or 0
        return 0

    def sendto(sock: socket.socket, data: Any, *rest: Any) -> int:
        _check_address((sock, rest[-1]))
        return sendto_(sock, data, *rest)

    for function in (connect, connect_ex, sendto):
        setattr(socket.socket, function.__name__, function)
    # The file with the address of this machine's name is hidden, as all of this machine's files.
    for name in ("getaddrinfo", "gethostbyname"):
        setattr(socket, name, _with_local_address(getattr(socket, name)))


def _with_local_address(resolve: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(resolve)
    def resolve_local(host: Any, *rest: Any, **names: Any) -> Any:
        return resolve("127.0.0.1" if host == "localhost" else host, *rest, **names)

    return resolve_local


def _check_address(args: tuple[Any, ...]) -> None:
    """Raise the error of connecting a socket to an address; `args` starts with both."""
    sock, address = args[:2]
    if address is None:
        return
    if sock.family == socket.AF_UNIX:
        raise _error(errno.ENOENT)
    if sock.family == socket.AF_INET6:
        raise _error(errno.EADDRNOTAVAIL)
    if sock.family != socket.AF_INET:
        return
    host = address[0]
    _check_host_name((host,))
    if _is_ip_address(host) and not str(host).startswith("127."):
        raise _error(errno.ENETUNREACH)
    if sock.type & socket.SOCK_STREAM:
        raise _error(errno.ECONNREFUSED)


def _check_host_name(args: tuple[Any, ...]) -> None:
    """Raise `gaierror` unless the host is local or an IP address."""
    host = args[0].decode("ascii", "replace") if isinstance(args[0], bytes) else args[0]
    if host not in _LOCAL_HOSTS and not _is_ip_address(host):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def _check_reverse_lookup(args: tuple[Any, ...]) -> None:
    """Raise `herror` unless the IP address is local."""
    _check_host_name(args)
    if not str(args[0]).startswith("127."):
        # 2 is TRY_AGAIN in netdb.h: the name server does not respond.
        raise socket.herror(2, "Host name lookup failure")


def _refuse_lookup(_args: tuple[Any, ...]) -> None:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


_CHECKS: Mapping[str, Callable[[tuple[Any, ...]], None]] = {
    "socket.connect": _check_address,
    "socket.sendto": _check_address,
    "socket.sendmsg": _check_address,
    "socket.getaddrinfo": _check_host_name,
    "socket.gethostbyname": _check_host_name,
    "socket.gethostbyaddr": _check_reverse_lookup,
    "socket.getnameinfo": _refuse_lookup,
}


def _is_ip_address(host: Any) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            _REAL["inet_pton"](family, host)
        except (OSError, TypeError, ValueError):
            continue
        return True
    return False


def _error(number: int) -> OSError:
    return OSError(number, _REAL["strerror"](number))
