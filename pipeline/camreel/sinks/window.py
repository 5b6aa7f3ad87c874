"""A window on the screen, and snapshots as PNG files. The window must run in the main thread."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from camreel.imageops.color import to_bgr
from camreel.runtime.files import atomic_write
from camreel.structures import DisplayFrame, Picture

MAX_OPENING_SIZE = (1280, 720)
"""Maximum (width, height) in pixels of a window when it opens; the user can enlarge it."""
TRIAL_SECONDS = 10.0
"""Longest time that opening a window in `has_screen` may take."""
MAX_KEYS = 16
"""Maximum number of keys that are read at once: a key that is held down must not hold up the picture."""
OPENING_ATTEMPTS = 6
"""Number of windows to try until one is painted."""
PAINT_CHECKS = 5
"""Number of tests whether a new window is painted before another window is tried."""
KEY_NAMES = {27: "escape", 32: "space"}
"""Names of keys without a printable character, by OpenCV's key code."""
# OpenCV aborts the process if there is no screen, which no `except` catches. A core file must not be left behind.
_TRIAL = """
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass
import cv2
cv2.namedWindow("camreel", cv2.WINDOW_NORMAL)
cv2.waitKey(1)
cv2.destroyAllWindows()
"""


def has_screen() -> bool:
    """Return whether a window can be opened on this machine, by opening one in another process."""
    if sys.platform not in ("win32", "darwin") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    command = [sys.executable, "-P", "-c", _TRIAL]  # -P: a file cv2.py in the current folder must not be imported
    try:
        trial = subprocess.run(command, capture_output=True, timeout=TRIAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0


class Window:
    """A resizable window that keeps the aspect ratio of the picture: a display sink. It opens with the first picture.

    Args:
        title: title of the window.

    Example:
        >>> window = Window("camreel")
        >>> window.show(shown)
        >>> if "q" in window.keys():
        ...     window.close()
    """

    def __init__(self, title: str) -> None:
        self.notes: list[str] = []
        self._title = title
        self._size: tuple[int, int] | None = None
        self._closed = False

    def show(self, shown: DisplayFrame) -> None:
        """Set the next picture, which appears when `keys` is called; nothing happens after the window was closed."""
        if self._closed:
            return
        picture = shown.picture
        size = picture.width, picture.height
        if self._size is None:
            _open(self._title)
        if size != self._size:
            cv2.resizeWindow(self._title, *_opening_size(*size))
            self._size = size
        cv2.imshow(self._title, to_bgr(picture))

    def tell(self, text: str) -> None:
        """Show a text in the title of the window, beside the title it was created with; an empty text removes it."""
        if not self._closed and self._size is not None:
            cv2.setWindowTitle(self._title, f"{self._title}: {text}" if text else self._title)

    def keys(self) -> list[str]:
        """Draw the window and return the keys that were pressed since the last call; takes about 2 ms.

        Returns:
            Lower-case characters, "space", "escape"; "q" for the close button of the window.
        """
        if self._closed or self._size is None:
            return []
        pressed: list[str] = []
        for _ in range(MAX_KEYS):
            code = cv2.pollKey()
            if code < 0:
                break
            name = KEY_NAMES.get(code) or (chr(code).lower() if 32 < code < 127 else "")
            pressed += [name] if name else []
        if not self._is_open():
            self._closed = True
            pressed.append("q")
        return pressed

    def _is_open(self) -> bool:
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:
            return False

    def close(self) -> None:
        """Close the window; may be called again."""
        if self._size is not None and not self._closed and self._is_open():
            cv2.destroyWindow(self._title)
            cv2.pollKey()
        self._closed = True

    def abandon(self) -> None:
        """Close the window after an error. Never raises; may follow `close`."""
        with suppress(cv2.error):
            self.close()


def _open(title: str) -> None:
    """Open a window that is really painted.

    One in five Qt windows stays black for good: Qt loses the message that the window is on the screen (measured with
    OpenCV 5.0.0 and its Qt 5.15.19 under Xvfb, with and without a window manager). A new window helps.
    """
    for remaining in reversed(range(OPENING_ATTEMPTS)):
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        if not remaining or not cv2.currentUIFramework().startswith("QT"):
            return
        if any(_is_painted(title) for _ in range(PAINT_CHECKS)):
            return
        cv2.destroyWindow(title)


def _is_painted(title: str) -> bool:
    """Return whether a new picture costs time.

    Painting takes 5 to 12 times as long as an idle turn, a lost picture at most twice.
    """
    blank = np.zeros((360, 640, 3), np.uint8)
    cv2.resizeWindow(title, 640, 360)
    busy, idle = [], []
    for _ in range(8):
        cv2.imshow(title, blank)
        busy.append(_event_seconds())
        idle.append(_event_seconds())
    return median(busy) > 3 * median(idle)


def _event_seconds() -> float:
    """Handle the waiting window events; return the CPU seconds that this took."""
    began = time.thread_time()
    cv2.pollKey()
    return time.thread_time() - began


def _opening_size(width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) of the window for a picture, with the picture's aspect ratio."""
    scale = min(1.0, MAX_OPENING_SIZE[0] / width, MAX_OPENING_SIZE[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def snapshot(picture: Picture, folder: Path) -> Path:
    """Write a picture as `camreel-20260131-235959.png`, named after the local time. Existing files are never replaced.

    Args:
        picture: the picture.
        folder: folder of the file; created if it is missing.

    Returns:
        The path of the file.

    Raises:
        OutputError: the file cannot be written.
    """
    data = cv2.imencode(".png", to_bgr(picture))[1].tobytes()
    path = _free_path(folder, time.strftime("camreel-%Y%m%d-%H%M%S"))
    with atomic_write(path) as partial:
        partial.write_bytes(data)
    return path


def _free_path(folder: Path, stem: str) -> Path:
    for count in itertools.count(1):
        path = folder / (f"{stem}.png" if count == 1 else f"{stem}-{count}.png")
        if not os.path.lexists(path):
            break
    return path
