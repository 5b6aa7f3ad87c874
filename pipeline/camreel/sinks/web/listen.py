"""From HOST:PORT to an open socket, or to an error that a person can act on."""

from __future__ import annotations

import errno
import ipaddress
import socket
from urllib.parse import urlsplit

from camreel.errors import ConfigError, OutputError


def listen(address: str) -> socket.socket:
    """Opens the socket that the page is served from.

    Args:
        address: HOST:PORT; port 0 is any that is free.

    Raises:
        ConfigError: it is no such address.
        OutputError: it cannot be listened at.
    """
    host, port = _split(address)
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(place[:2], family=family)
    except socket.gaierror:
        raise OutputError(
            f"{address}: there is no such host", todo="name an address of this computer with --serve"
        ) from None
    except OSError as error:
        raise OutputError(
            f"{address}: the page cannot be served there", _why(error), "choose another with --serve"
        ) from None


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this computer can reach a socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def url_of(listener: socket.socket, token: str | None) -> str:
    """The address of the page as a browser takes it."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = _own_address(listener.family)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def _split(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.path or parts.username is not None:
        raise ConfigError(
            f"{address}: not an address to serve the page at", todo="write HOST:PORT, like 127.0.0.1:8090"
        )
    return host, port


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken"
    if error.errno == errno.EADDRNOTAVAIL:
        return "it is not an address of this computer"
    if error.errno == errno.EACCES:
        return "the system reserves this port"
    return (error.strerror or "").lower()


def _own_address(family: int) -> str:
    """The address by which others reach this computer; connecting a datagram socket sends nothing."""
    far = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])
