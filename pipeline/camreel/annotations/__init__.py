"""Annotations: the ground truth of a video as arrays, and as files beside the video.

`clip.mp4` has its actions and boxes in `clip.truth.json`, which people can read, and its masks in `clip.masks.npz`.
"""

from __future__ import annotations

from camreel.annotations.files import (
    TRUTH_SUFFIX,
    Origin,
    find_truth,
    read_origin,
    read_truth,
    truth_files,
    truth_path,
    write_truth,
)
from camreel.annotations.truth import NO_ACTION, Truth, action_runs, check_truth

__all__ = [
    "NO_ACTION",
    "TRUTH_SUFFIX",
    "Origin",
    "Truth",
    "action_runs",
    "check_truth",
    "find_truth",
    "read_origin",
    "read_truth",
    "truth_files",
    "truth_path",
    "write_truth",
]
