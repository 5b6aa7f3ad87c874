"""A window on the screen. Everything here belongs into the main thread."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median

import cv2
import numpy as np

from camreel.sinks.snapshot import bgr
from camreel.structures import DisplayFrame

LARGEST = (1280, 720)
"""Pixels that a window has at most when it opens; it can be made larger."""
PATIENCE = 10.0
"""Seconds that opening a window may take."""
_MOST = 16
"""Keys that are read at once: one that is held down must not hold up the picture."""
_TRIES, _ROUNDS = 6, 5
_NAMED = {27: "escape", 32: "space"}
# OpenCV aborts the process where it finds no screen, which no `except` catches; without leaving a core file.
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
    """Whether a window can be opened here, found out by opening one in another process."""
    if sys.platform not in ("win32", "darwin") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        # -P: not the cv2.py that may lie in the current folder.
        trial = subprocess.run([sys.executable, "-P", "-c", _TRIAL], capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0


class Window:
    """A window that keeps the picture's aspect and can be resized. It opens with the first picture.

    Args:
        title: of the window.
    """

    def __init__(self, title: str) -> None:
        self.notes: list[str] = []
        self._title = title
        self._size: tuple[int, int] | None = None
        self._closed = False

    def show(self, shown: DisplayFrame) -> None:
        """Shows the next picture, as soon as `keys` is called; nothing once the window was closed."""
        if self._closed:
            return
        picture = shown.picture
        size = picture.width, picture.height
        if self._size is None:
            _open(self._title)
        if size != self._size:
            cv2.resizeWindow(self._title, *_fitted(*size))
            self._size = size
        cv2.imshow(self._title, bgr(picture))

    def tell(self, text: str) -> None:
        """Writes something in the title, where there is room beside the picture."""
        if not self._closed and self._size is not None:
            cv2.setWindowTitle(self._title, f"{self._title}: {text}" if text else self._title)

    def keys(self) -> list[str]:
        """The keys that were pressed since the last call: lower-case characters, "space", "escape"; "q" for the window's button.

        Draws the window, and takes about 2 ms.
        """
        if self._closed or self._size is None:
            return []
        pressed: list[str] = []
        for _ in range(_MOST):
            code = cv2.pollKey()
            if code < 0:
                break
            name = _NAMED.get(code) or (chr(code).lower() if 32 < code < 127 else "")
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
        """Closes the window; may be called again."""
        if self._size is not None and not self._closed and self._is_open():
            cv2.destroyWindow(self._title)
            cv2.pollKey()
        self._closed = True

    def abandon(self) -> None:
        """Closes the window."""
        self.close()


def _open(title: str) -> None:
    """Opens a window that is really painted.

    Of Qt's windows one in five stays black for good: Qt loses the message that it is on the screen (measured with OpenCV 5.0.0 and
    its Qt 5.15.19 under Xvfb, with and without a window manager). Another one helps.
    """
    for rest in reversed(range(_TRIES)):
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        if not rest or not cv2.currentUIFramework().startswith("QT") or any(_is_painted(title) for _ in range(_ROUNDS)):
            return
        cv2.destroyWindow(title)


def _is_painted(title: str) -> bool:
    """Whether a new picture costs time: painting takes 5 to 12 times what an idle turn takes, the loss twice at most."""
    blank = np.zeros((360, 640, 3), np.uint8)
    cv2.resizeWindow(title, 640, 360)
    busy, idle = [], []
    for _ in range(8):
        cv2.imshow(title, blank)
        busy.append(_cost())
        idle.append(_cost())
    return median(busy) > 3 * median(idle)


def _cost() -> float:
    """Seconds of computing in handling what the window was told."""
    began = time.thread_time()
    cv2.pollKey()
    return time.thread_time() - began


def _fitted(width: int, height: int) -> tuple[int, int]:
    """The size at which a picture opens, its aspect kept."""
    scale = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
