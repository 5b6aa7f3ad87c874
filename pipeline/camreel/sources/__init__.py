"""Where frames come from: what a user names in, `VideoInfo` and frames out."""

from __future__ import annotations

import cv2  # noqa: F401  # before PyAV: the other way round OpenCV's windows hang

from camreel.sources.camera import LiveSource
from camreel.sources.file import FileSource
from camreel.sources.inputs import expand
from camreel.sources.open import open_source
from camreel.sources.reconnect import ConnectionEvent, Patience, connections

__all__ = ["ConnectionEvent", "FileSource", "LiveSource", "Patience", "connections", "expand", "open_source"]
