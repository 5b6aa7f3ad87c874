"""The truth of a video: who does what, when and where. As arrays, and as files beside the video.

`clip.mp4` has its truth in `clip.truth.json`, which people can read, and its masks in `clip.masks.npz`.
"""

from __future__ import annotations

from camreel.annotations.files import (
    TRUTH_TAIL,
    Origin,
    find_truth,
    read_origin,
    read_truth,
    truth_files,
    truth_path,
    write_truth,
)
from camreel.annotations.truth import NONE, Truth, check_truth, runs

__all__ = [
    "NONE",
    "TRUTH_TAIL",
    "Origin",
    "Truth",
    "check_truth",
    "find_truth",
    "read_origin",
    "read_truth",
    "runs",
    "truth_files",
    "truth_path",
    "write_truth",
]
