"""The window, on a virtual screen and in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from camreel.errors import OutputError
from camreel.imageops.color import rgb_to_yuv
from camreel.sinks import window as module
from camreel.sinks.window import Window, has_screen, snapshot
from camreel.structures import DisplayFrame, Frame, Matrix, Picture

ROOT = str(Path(__file__).resolve().parents[1])
SOON = 30.0
WIDTH, HEIGHT = 1280, 800

needs_screen = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool"
)


def flat(
    rgb: tuple[int, int, int], matrix: Matrix = "bt601", full_range: bool = False, size: tuple[int, int] = (320, 180)
) -> Picture:
    """A picture of one color."""
    levels = rgb_to_yuv(np.array([rgb], np.uint8), matrix, full_range)[0]
    width, height = size
    half = (height + 1) // 2, (width + 1) // 2
    y, u, v = (
        np.full(shape, level, np.uint8) for shape, level in zip(((height, width), half, half), levels, strict=True)
    )
    return Picture(y, u, v, matrix, full_range)


def shown(picture: Picture) -> DisplayFrame:
    return DisplayFrame(picture, Frame(0, None, 0.0, Fraction(1, 1000), picture), None, None)


SERVANT = """
    import json, sys
    sys.path[:0] = sys.argv[1:]
    from tests.test_sinks_window import Window, flat, shown
    window = Window("camreel: test")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(eval(line)) + "\\n")
        sys.stdout.flush()
"""

# In another process: the X library of PyAV does not work together with the one that Qt loads.
GRAB = """
    import json, sys, av
    with av.open(sys.argv[1], format="x11grab", options={"draw_mouse": "0", "video_size": "1280x800"}) as screen:
        image = next(screen.decode(video=0)).to_ndarray(format="rgb24")
    print(json.dumps(image[::20, ::20].tolist()))
"""

# The message of a window manager when its close button is clicked; the virtual screen has no window manager.
CLOSE = """
    import ctypes, sys
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XInternAtom.restype = ctypes.c_ulong
    class Message(ctypes.Structure):
        _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send", ctypes.c_int),
                    ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("kind", ctypes.c_ulong),
                    ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("space", ctypes.c_long * 24)]
    display, window = ctypes.c_void_p(x.XOpenDisplay(None)), int(sys.argv[1])
    atoms = [x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")]
    message = Message(33, 0, 1, display, window, atoms[0], 32, (ctypes.c_long * 5)(atoms[1]))
    x.XSendEvent(display, ctypes.c_ulong(window), 0, 0, ctypes.byref(message))
    x.XSync(display, 0)
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """Start a virtual screen."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as said:
            number = said.readline().strip()
        yield f":{number}"
        server.terminate()


class Servant:
    """A process with a window that evaluates Python expressions line by line."""

    def __init__(self, display: str) -> None:
        self.display = display
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVANT), ROOT],
            env={**os.environ, "DISPLAY": display},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __call__(self, line: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.process.stderr.read() if self.process.stderr else ""
        return json.loads(answer)

    def show(self, picture: str, turns: int = 10) -> None:
        """Show a picture until it must be on the screen."""
        self(f"[(window.show(shown({picture})), window.keys())[1] for _ in range({turns})]")

    def keys(self, count: int = 1) -> list[str]:
        """Return the pressed keys, as soon as there are `count`."""
        found: list[str] = []
        end = time.monotonic() + SOON
        while len(found) < count:
            assert time.monotonic() < end
            found += self("window.keys()")
        return found

    def run(self, *command: str) -> str:
        """Run a program on the same screen."""
        env = {**os.environ, "DISPLAY": self.display}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=SOON, check=True).stdout

    def grab(self) -> np.ndarray:
        """Return every 20th pixel of the screen."""
        return np.array(json.loads(self.run(sys.executable, "-c", textwrap.dedent(GRAB), self.display)))

    def shows(self, picture: str, is_there: Callable[[np.ndarray], bool]) -> bool:
        """Return whether the screen reaches the expected state while the picture is shown."""
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            self.show(picture)
            if is_there(self.grab()):
                return True
        return False

    @property
    def id(self) -> str:
        return self.run("xdotool", "search", "--onlyvisible", "--name", "camreel: test").split()[-1]

    def press(self, *keys: str) -> None:
        self.run("xdotool", "key", "--window", self.id, *keys)


@pytest.fixture
def servant(display: str) -> Iterator[Servant]:
    servant = Servant(display)
    with servant.process:
        killer = servant.process.kill
        try:
            yield servant
            assert servant.process.stdin is not None
            servant.process.stdin.close()
            assert servant.process.wait(SOON) == 0
        finally:
            killer()


@needs_screen
def test_the_window_shows_the_colors_and_keeps_the_aspect_ratio(servant: Servant) -> None:
    assert servant.shows(
        "flat((200, 60, 20), 'bt709')", lambda image: bool(is_color(image[:8, :15], (200, 60, 20)).all())
    )
    servant.run("xdotool", "windowsize", "--sync", servant.id, "1000", "180")
    # 320 of 1000 pixels, in the middle.
    assert servant.shows(
        "flat((20, 60, 200), 'bt601', True)", lambda image: columns(image[4], (20, 60, 200)) == (17, 33)
    )


def is_color(pixels: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels - rgb).max(axis=-1) <= 4


def columns(row: np.ndarray, rgb: tuple[int, int, int]) -> tuple[int, int]:
    """Return the half-open range of pixels that have a color."""
    found = np.flatnonzero(is_color(row, rgb))
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)


@needs_screen
def test_large_pictures_fit_on_the_screen_and_sizes_may_change(servant: Servant) -> None:
    large, small = "flat((10, 200, 30), size=(3840, 2160))", "flat((200, 10, 30), size=(640, 360))"
    assert servant.shows(large, lambda image: columns(image[20], (10, 200, 30)) == (0, 64))
    assert "1280x720" in servant.run("xdotool", "getwindowgeometry", servant.id)
    assert servant.shows(small, lambda image: columns(image[10], (200, 10, 30)) == (0, 32))


@needs_screen
def test_no_window_stays_black(servant: Servant) -> None:
    for _ in range(5):
        assert servant.shows("flat((10, 200, 30))", lambda image: columns(image[4], (10, 200, 30)) == (0, 16))
        servant("window.close()")
        servant("globals().update(window=Window('camreel: test'))")


@needs_screen
def test_keys_come_in_order_without_special_keys(servant: Servant) -> None:
    assert servant("window.keys()") == []
    servant.show("flat((90, 90, 90))")
    assert servant("window.keys()") == []
    heard = []
    for key in ("c", "F5", "s", "space", "Left", "Escape", "shift+q"):
        servant.press(key)
        heard += servant("window.keys()") if key in ("F5", "Left") else servant.keys()
    assert heard == ["c", "s", "space", "escape", "q"]
    assert servant("window.keys()") == []


@needs_screen
def test_the_close_button_is_q_and_the_window_stays_closed(servant: Servant) -> None:
    servant.show("flat((90, 90, 90))")
    servant.run(sys.executable, "-c", textwrap.dedent(CLOSE), servant.id)
    assert servant.keys() == ["q"]
    servant.show("flat((90, 90, 90))")
    assert servant("window.keys()") == []
    with pytest.raises(subprocess.CalledProcessError):
        _ = servant.id
    servant("window.close()")


@needs_screen
def test_the_window_can_be_closed_twice(servant: Servant) -> None:
    servant.show("flat((90, 90, 90))")
    assert servant.id
    servant("(window.close(), window.close())")
    with pytest.raises(subprocess.CalledProcessError):
        _ = servant.id


@needs_screen
def test_an_existing_screen_is_found(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    assert has_screen()


def test_without_a_display_variable_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert not has_screen()


@pytest.mark.skipif(sys.platform != "linux", reason="X11")
def test_a_display_that_does_not_exist_is_no_screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.chdir(tmp_path)
    assert not has_screen()
    assert list(tmp_path.iterdir()) == []


def test_an_opencv_without_windows_is_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(module, "_TRIAL", "import cv2\nraise cv2.error('The function is not implemented')")
    assert not has_screen()


def test_a_display_that_does_not_answer_is_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(module, "_TRIAL", "import sys; sys.stdin.read(); import time; time.sleep(60)")
    monkeypatch.setattr(module, "TRIAL_SECONDS", 0.2)
    assert not has_screen()


def test_a_window_that_never_opened_closes() -> None:
    window = Window("x")
    assert window.keys() == []
    window.close()


def test_a_snapshot_is_the_picture_and_replaces_no_file(tmp_path: Path) -> None:
    picture = flat((200, 60, 20), "bt709", size=(64, 48))
    paths = [snapshot(picture, tmp_path / "new") for _ in range(3)]
    assert len(set(paths)) == 3
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    for path in paths:
        assert path.suffix == ".png"
        assert np.abs(cv2.imread(str(path)).astype(int) - (20, 60, 200)).max() <= 4


def test_a_snapshot_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(OutputError, match="cannot write"):
            snapshot(flat((1, 2, 3)), folder)
