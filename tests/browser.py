"""Headless Chromium over its DevTools protocol through a pair of pipes: no driver program, no port, no package."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--remote-debugging-pipe",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
STARTER = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(pipe), fcntl.F_DUPFD, 10) for pipe in sys.argv[1:3])
os.dup2(read, 3), os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium uses the descriptors 3 and 4, which may be in use in this process."""
POLL_SCRIPT = """new Promise(done => {
  const end = performance.now() + 500;
  const ask = () => {
    const value = (%s);
    if (value || performance.now() > end) done(value instanceof Node ? true : value);
    else setTimeout(ask, 20);
  };
  ask();
})"""
TIMEOUT_SECONDS = 20.0
"""Longest wait for an answer of the browser."""


class Browser:
    """The running program; created by `browser`."""

    def __init__(self, process: subprocess.Popen[bytes], read: int, write: int) -> None:
        self.process = process
        self._read, self._write = read, write
        self._rest = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = {
            "id": self._last,
            "method": method,
            "params": parameters,
            **({"sessionId": session} if session else {}),
        }
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + TIMEOUT_SECONDS
        while True:
            answer = self._receive(until)
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._read, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    @contextmanager
    def tab(
        self, url: str, size: tuple[int, int] = (1280, 800), *, phone: bool = False, dark: bool = False
    ) -> Iterator[Tab]:
        """Open a page."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session, context)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.call(f"{domain}.enable")
        width, height = size
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        tab.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.call("Emulation.setEmulatedMedia", features=[scheme])
        tab.call("Page.navigate", url=url)
        try:
            yield tab
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


class Tab:
    """A page in the browser."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self.context = context
        """Id of the browser context, which holds cookies and downloads of this tab only."""
        self._browser = browser
        self._session = session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def get(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str, timeout: float = 10.0) -> Any:
        """Wait until a JavaScript expression is true; return its value."""
        deadline = time.monotonic() + timeout
        while True:
            with suppress(AssertionError):  # the page is not there yet
                # Polled inside the page, by the browser's clock.
                value = self.get(POLL_SCRIPT % condition)
                if value:
                    return value
            assert time.monotonic() < deadline, (
                f"never true: {condition}\n{self.get('document.body.innerText')}\n{self.errors()}"
            )

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element."""
        rect = (
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        x, y = self.get(rect)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key: str, code: int) -> None:
        """Press and release a key, given its DOM name and Windows key code."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def write(self, text: str) -> None:
        """Type text into the element with the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path | str) -> None:
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def errors(self) -> list[str]:
        """Return errors in the console, and exceptions."""
        found = []
        for event in self._events("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            parameters = event["params"]
            entry = parameters.get("entry", parameters)
            if (
                "exceptionDetails" in parameters
                or entry.get("level") == "error"
                or entry.get("type") in ("error", "assert")
            ):
                found.append(json.dumps(parameters))
        return found

    def requests(self) -> list[str]:
        """Return the URLs that the page requested, including those of WebSockets."""
        asked = self._events("Network.requestWillBeSent", "Network.webSocketCreated")
        return [event["params"].get("url") or event["params"]["request"]["url"] for event in asked]

    def _events(self, *methods: str) -> list[dict[str, Any]]:
        self.get("0")  # reads the events before it
        return [
            event
            for event in self._browser.events
            if event["method"] in methods and event.get("sessionId") == self._session
        ]


@contextmanager
def browser(folder: Path, camera: Path | None = None, flags: Sequence[str] = ()) -> Iterator[Browser]:
    """Run Chromium with a fresh profile and a fake camera; skip the test if it is not installed.

    Args:
        folder: folder of the profile.
        camera: MJPEG file that the fake camera shows; None: Chromium's own pattern.
        flags: more command line flags.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    film = [f"--use-file-for-fake-video-capture={camera}"] if camera else []
    command = [CHROMIUM, *FLAGS, *film, *flags, f"--user-data-dir={folder}"]
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", STARTER, str(theirs_in), str(theirs_out), *command],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    program = Browser(process, ours_in, ours_out)
    try:
        yield program
        program.call("Browser.close")
    finally:
        os.close(ours_in)
        os.close(ours_out)
        try:
            process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def film(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (640, 480), frames: int = 30) -> Path:
    """Write an MJPEG file for the fake camera.

    Args:
        path: the file.
        color: RGB of the whole picture except for a white bar that moves.
        size: width and height in pixels.
        frames: number of frames.
    """
    with path.open("wb") as file:
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), color[::-1], np.uint8)
            picture[: size[1] // 8, : size[0] * (number + 1) // frames] = 255
            file.write(cv2.imencode(".jpg", picture)[1].tobytes())
    return path
