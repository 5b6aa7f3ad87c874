"""Metrics as pure functions of predictions and ground truth. `train` and `evaluate` both use them.

Array shapes are written in brackets: T frames of a video, C classes, N class-frames (a class on a frame where it is
performed), H x W pixels, h x w cells of a map. A metric that cannot be measured is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

METRICS: dict[str, str] = {
    "top1": "windows of 1.33 s with one active class: it has the largest logit",
    "map": "average precision of such windows, mean over classes",
    "frame_f1": "F1 of 'active on this frame', mean over the classes that occur",
    "temporal_map": "average precision of segments at overlaps .3 to .7",
    "temporal_iou": "overlap of the frames in a class's segments with the true ones",
    "false_signal": "share of idle frames, half a second away from any action, on which a class is active",
    "idle_frames": "share of frames that are idle",
    "lag": "seconds by which scores trail the truth, median over classes and videos",
    "pointing": "the map's peak is on an actor of the class",
    "pointing_15px": "the same, within 15 pixels",
    "pointing_two_actors": "the same as pointing, on frames where two actors do two different things",
    "pointing_5pct": "the peak is within 5 % of the picture's height of one of the actors",
    "bystander_error": "the peak is on a bystander instead",
    "energy": "share of the map's mass on the actors of the class",
    "area_share": "share of the picture that they cover",
    "pxap": "precision over recall of the map's pixels, at all thresholds",
    "max_box_acc_v2": "share of class-frames with a box that reaches the overlaps .3, .5 and .7",
    "iou": "overlap of the best box",
    "frame_map_20": "average precision of reported boxes at overlap .2, mean over classes",
    "frame_map_50": "the same at overlap .5",
    "video_map_20": "average precision of reported tubes at overlap .2 in space and time, mean over classes",
    "video_map_50": "the same at overlap .5",
    "flicker": "change of the map from frame to frame, in thousandths",
    "warping": "the same after the earlier map was warped along the motion in the picture",
    "deletion": "score while the cells of most evidence are blurred first; low: the network used them",
    "insertion": "score while they are the first to come back into a blurred clip; high: the network used them",
    "temporal_deletion": "score while the samples of most evidence are frozen first; low: the network used them",
}
"""Name of each metric in reports -> description, in the order of the tables."""
