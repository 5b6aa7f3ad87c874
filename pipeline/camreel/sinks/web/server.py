"""The HTTP server of the page: access control, its listening socket, and the thread with its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camreel.errors import ConfigError, OutputError

CLOSE_SECONDS = 2.0
"""Longest wait for the thread at the end, whatever is connected."""
MAX_MESSAGE_BYTES = 2**21
"""Maximum size of a message from a browser: a camera picture."""
PING_SECONDS, PONG_SECONDS = 5.0, 10.0
"""Interval of keep-alive pings to a browser, and time without an answer after which it is disconnected."""


SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class ServerThread:
    """A uvicorn server in a daemon thread with an event loop of its own.

    Args:
        app: application to serve.
        listener: listening socket, from `listen`.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._server = uvicorn.Server(_uvicorn_config(app))
        self._thread = threading.Thread(target=self._run, name="web page", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function in the thread of the server; nothing happens once its loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Close all connections and end the thread within `CLOSE_SECONDS`; may be called again."""
        self.call_soon(self._exit)
        self._thread.join(CLOSE_SECONDS)

    def _exit(self) -> None:
        self._server.should_exit = True

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))


def _uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,
    )


def listen(address: str) -> socket.socket:
    """Open a listening socket.

    Args:
        address: HOST:PORT; port 0 chooses a free port.

    Raises:
        ConfigError: the text is not HOST:PORT.
        OutputError: the address cannot be used.
    """
    host, port = _split(address)
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(place[:2], family=family)
    except socket.gaierror:
        todo = "name an address of this computer with --serve"
        raise OutputError(f"{address}: there is no such host", todo=todo) from None
    except OSError as error:
        what, todo = f"{address}: the page cannot be served there", "choose another with --serve"
        raise OutputError(what, _explain(error), todo) from None


def is_loopback(listener: socket.socket) -> bool:
    """Return whether only this computer can reach a listening socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def page_url(listener: socket.socket, token: str | None) -> str:
    """Return the address of the page as a browser takes it, with the token if there is one."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = _own_address(listener.family)
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _split(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.path or parts.username is not None:
        todo = "write HOST:PORT, like 127.0.0.1:8090"
        raise ConfigError(f"{address}: not an address to serve the page at", todo=todo)
    return host, port


def _explain(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken"
    if error.errno == errno.EADDRNOTAVAIL:
        return "it is not an address of this computer"
    if error.errno == errno.EACCES:
        return "the system reserves this port"
    return (error.strerror or "").lower()


def _own_address(family: int) -> str:
    """Return the address by which other computers reach this one; connecting a datagram socket sends nothing."""
    far = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # reserved for documentation (RFC 3849, RFC 5737)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


class AuthMiddleware:
    """ASGI middleware that refuses requests without access, and adds the security headers to every response.

    Starlette's `TrustedHostMiddleware` does not replace the check of the host name: it knows fixed names only, not all
    loopback addresses, and answers a refused WebSocket with an HTTP response.

    Args:
        app: application to protect.
        token: secret that the first request must contain. None: only this computer can reach the page; the host name
            must then be a local one, so that a foreign page cannot reach it under a name of its own (DNS rebinding).
        port: port of the server, for the name of the cookie: browsers share cookies between all ports of a host.
        camera: allow the page to use the visitor's camera.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, port: int, camera: bool) -> None:
        self._app = app
        self._token = token
        self._cookie = f"camreel-{port}"
        self._headers = {
            **SECURITY_HEADERS,
            "permissions-policy": f"camera=({'self' if camera else ''}), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 403."""
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response = MutableHeaders(scope=message)
                response.update(self._headers)
                if self._token is not None and message["status"] == 200 and scope["path"] == "/":
                    response["set-cookie"] = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await PlainTextResponse(refusal, 403)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Return the reason to refuse a request; None: it has access."""
        host = headers.get("host", "")
        if self._token is None and not is_local_name(urlsplit(f"//{host}").hostname or ""):
            return (
                "camreel answers here only to localhost. "
                "To be reached by another name, it is started with --serve HOST:PORT."
            )
        if self._token is not None and not self._has_token(scope, headers):
            return "The token is missing or out of date: open the address that camreel printed when it was started."
        origin = headers.get("origin")
        if scope["type"] == "websocket" and origin is not None and urlsplit(origin).netloc != host:
            return "Another site's page may not use this one."
        return None

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        given = [QueryParams(scope["query_string"]).get("token", "")]
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given.append(bearer.strip())
        given += [_cookie_value(header, self._cookie) for header in headers.getlist("cookie")]
        token = (self._token or "").encode()
        # All are compared, in constant time each, so that the duration reveals nothing about the token.
        return any([secrets.compare_digest(text.encode(), token) for text in given])


def is_local_name(host: str) -> bool:
    """Return whether a host name means this computer, whatever a name server says.

    Example:
        >>> is_local_name("127.0.0.1"), is_local_name("localhost"), is_local_name("127.0.0.1.evil.example")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cookie_value(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
