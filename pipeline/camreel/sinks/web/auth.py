"""Access to the page: visitors on this computer, and visitors with the token."""

from __future__ import annotations

import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
