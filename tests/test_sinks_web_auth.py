"""Access to the page: host names, the token, its cookie, and the security headers."""

from __future__ import annotations

import socket
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.webpage import serving, visiting


def test_without_a_token_only_local_host_names_are_answered():
    with serving() as page:
        port = urlsplit(page.url).port
        assert page.url == f"http://127.0.0.1:{port}/"
        for host in ("localhost", "127.0.0.1", "[::1]", "localhost:1234"):
            assert httpx.get(page.url, headers={"host": host}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "", "10.0.0.1"):
            assert httpx.get(page.url, headers={"host": host}).status_code == 403
        line = socket.create_connection(("127.0.0.1", port))
        with pytest.raises(InvalidStatus, match="403"), connect("ws://evil.example/live", sock=line):
            pass


def test_the_page_of_another_site_cannot_open_the_socket():
    with serving() as page:
        own = page.url.rstrip("/")
        with visiting(page, additional_headers={"origin": own}):
            pass
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            with pytest.raises(InvalidStatus, match="403"), visiting(page, additional_headers={"origin": origin}):
                pass


def test_every_response_has_the_security_headers():
    with serving() as page:
        for path in ("", "page.js", "page.css", "icon.svg", "metrics", "nothing"):
            headers = httpx.get(page.url + path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["permissions-policy"].startswith("camera=()")


def test_other_computers_need_the_token():
    with serving("0.0.0.0:0") as page:
        parts = urlsplit(page.url)
        (token,) = parse_qs(parts.query)["token"]
        assert len(token) >= 32
        with httpx.Client(base_url=f"http://127.0.0.1:{parts.port}") as stranger:
            for path in ("/", "/page.js", "/metrics", "/stream.mjpg", "/?token=", "/?token=wrong", "/?token=%C3%BC"):
                answer = stranger.get(path)
                assert answer.status_code == 403 and token not in answer.text
            assert stranger.get("/", headers={"cookie": "a=b; ;;camreel=x"}).status_code == 403
            assert stranger.get("/metrics", headers={"authorization": f"Bearer {token}"}).text == "up 1\n"
            assert stranger.get(f"/metrics?token={token}").text == "up 1\n"
            assert not stranger.cookies
        for wrong in ({}, {"cookie": f"camreel-{parts.port}=wrong"}, {"origin": "http://evil.example"}):
            with pytest.raises(InvalidStatus, match="403"), visiting(page, additional_headers=wrong):
                pass
        with visiting(page, f"live?token={token}"):
            pass


def test_the_cookie_with_the_token_is_hidden_from_scripts_and_other_sites():
    with serving("0.0.0.0:0") as page:
        parts = urlsplit(page.url)
        with httpx.Client(base_url=f"http://127.0.0.1:{parts.port}") as visitor:
            answer = visitor.get(f"/?{parts.query}")
            assert answer.status_code == 200
            cookie = answer.headers["set-cookie"]
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
            assert visitor.get("/page.js").status_code == 200
            with visiting(page, additional_headers={"cookie": cookie.split(";")[0]}):
                pass
