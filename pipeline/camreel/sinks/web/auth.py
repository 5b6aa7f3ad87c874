"""Who may see the page: whoever sits at this computer, or holds the token."""

from __future__ import annotations

import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Lets through only what may see the page, and says in every answer what a browser may do with it.

    Args:
        app: what is guarded.
        token: to be shown with the first request; None: only this computer can reach the page, whose name must then be a
            local one, lest a foreign page reaches it under a name of its own (DNS rebinding).
        port: of the server; browsers keep the cookies of all ports together.
        camera: whether the page may use the visitor's camera.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, port: int, camera: bool) -> None:
        self._app = app
        self._token = token
        self._cookie = f"camreel-{port}"
        self._headers = {
            **HEADERS,
            "permissions-policy": f"camera=({'self' if camera else ''}), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        headers = Headers(scope=scope)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.update(self._headers)
                if self._token is not None and message["status"] == 200 and scope["path"] == "/":
                    answer["set-cookie"] = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, dressed)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await PlainTextResponse(refusal, 403)(scope, receive, dressed)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Why a request is refused."""
        host = headers.get("host", "")
        if self._token is None and not is_local_name(urlsplit(f"//{host}").hostname or ""):
            return "camreel answers here only to localhost. To be reached by another name, it is started with --serve HOST:PORT."
        if self._token is not None and not self._is_known(scope, headers):
            return "The token is missing or out of date: open the address that camreel printed when it was started."
        origin = headers.get("origin")
        if scope["type"] == "websocket" and origin is not None and urlsplit(origin).netloc != host:
            return "Another site's page may not use this one."
        return None

    def _is_known(self, scope: Scope, headers: Headers) -> bool:
        shown = [QueryParams(scope["query_string"]).get("token", "")]
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            shown.append(bearer.strip())
        for cookies in headers.getlist("cookie"):
            shown.append(_cookie(cookies, self._cookie))
        token = (self._token or "").encode()
        return any([secrets.compare_digest(given.encode(), token) for given in shown])


def is_local_name(host: str) -> bool:
    """Whether a host is this computer, whoever resolves the name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
