"""Where frames come from: what a user names in, `VideoInfo` and frames out."""

from __future__ import annotations

import cv2  # noqa: F401  # before PyAV: the other way round OpenCV's windows hang

from pipeline.sources.connect import Event, Patience, connections
from pipeline.sources.contract import Source
from pipeline.sources.entrance import open_source
from pipeline.sources.file import FileSource
from pipeline.sources.inputs import expand
from pipeline.sources.live import LiveSource

__all__ = ["Event", "FileSource", "LiveSource", "Patience", "Source", "connections", "expand", "open_source"]
