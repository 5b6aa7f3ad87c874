"""UCF101-24 (Soomro et al., 2012, with the boxes of the THUMOS challenge): real footage with a tube for every actor.

A folder has `NAME.boxes.json` beside `NAME.mp4` or `NAME.avi` for every video. Outside the tubes no class is
performed. There is no validation split.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

from camreel.annotations import NO_ACTION, Truth
from camreel.errors import InputError
from camreel.evaluate.datasets import DataOptions
from camreel.evaluate.datasets.eval_video import (
    COPY_AGAIN,
    EvalVideo,
    clip_boxes,
    frame_times,
    read_info,
    read_record,
    require_folder,
)

SPLIT = "ucf24"
BOXES_TAIL = ".boxes.json"
VIDEO_SUFFIXES = (".mp4", ".avi")
KINETICS_NAMES: dict[str, tuple[str, ...]] = {
    "Basketball": ("shooting basketball", "playing basketball"),
    "BasketballDunk": ("dunking basketball",),
    "Biking": ("riding a bike",),
    "CliffDiving": ("diving cliff",),
    "CricketBowling": ("playing cricket",),
    "Diving": ("springboard diving",),
    "Fencing": ("sword fighting",),
    "FloorGymnastics": ("gymnastics tumbling",),
    "GolfSwing": ("golf driving",),
    "HorseRiding": ("riding or walking with horse",),
    "IceDancing": ("ice skating",),
    "RopeClimbing": ("climbing a rope",),
    "SalsaSpin": ("salsa dancing",),
    "Skiing": ("skiing (not slalom or crosscountry)", "skiing slalom"),
    "Skijet": ("jetskiing",),
    "SoccerJuggling": ("juggling soccer ball",),
    "Surfing": ("surfing water",),
    "TennisSwing": ("playing tennis",),
    "TrampolineJumping": ("bouncing on trampoline",),
    "VolleyballSpiking": ("playing volleyball",),
    "WalkingWithDog": ("walking the dog",),
}
"""Class -> nearest classes of Kinetics-400, as torchvision's networks spell them; LongJump, PoleVault and
SkateBoarding have the same names there. Some are wider than the UCF class: Kinetics has no bowling in cricket, and
fencing is among the sword fights."""


class _Tube(BaseModel):
    label: str
    start_frame: int = Field(ge=0)
    end_frame_exclusive: int
    boxes_xywh: list[tuple[float, float, float, float]]

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        frames = self.end_frame_exclusive - self.start_frame
        if len(self.boxes_xywh) != frames:
            raise ValueError(f"there are {len(self.boxes_xywh)} boxes for {frames} frames")
        return self


class _Video(BaseModel):
    num_frames: int = Field(gt=0)
    tubes: list[_Tube]

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        last = max((tube.end_frame_exclusive for tube in self.tubes), default=0)
        if last > self.num_frames:
            raise ValueError(f"a tube ends before frame {last}, but there are {self.num_frames} frames")
        return self


def test(options: DataOptions) -> list[EvalVideo]:
    """Return all videos of a folder.

    Raises:
        ConfigError: no folder was given.
        InputError: it does not exist, or files are missing or damaged.
    """
    folder = require_folder(options.folder, SPLIT, f"NAME{BOXES_TAIL} beside NAME{VIDEO_SUFFIXES[0]}")
    paths = sorted(folder.glob(f"*{BOXES_TAIL}"))
    if not paths:
        why, todo = f"no file in it ends in {BOXES_TAIL}", "name the folder with the annotated videos"
        raise InputError(f"{folder} has no boxes", why, todo)
    records = {path: read_record(path, _Video) for path in paths}
    classes = tuple(sorted({tube.label for record in records.values() for tube in record.tubes}))
    return [_eval_video(path, record.num_frames, classes) for path, record in records.items()]


def validation(options: DataOptions) -> list[EvalVideo]:
    """Return nothing: there are too few videos to spare any."""
    return []


def _eval_video(path: Path, frames: int, classes: tuple[str, ...]) -> EvalVideo:
    name = path.name.removesuffix(BOXES_TAIL)
    candidates = [path.with_name(name + suffix) for suffix in VIDEO_SUFFIXES]
    video = next((candidate for candidate in candidates if candidate.is_file()), candidates[0])
    seconds = frames / float(read_info(video, path).average_rate or 25)
    load = partial(_load, video, path, classes)
    return EvalVideo(name, SPLIT, None, seconds, load, aliases=KINETICS_NAMES)


def _load(video: Path, path: Path, classes: tuple[str, ...], scratch: Path) -> tuple[Path, Truth]:
    record, info, times = read_record(path, _Video), read_info(video, path), frame_times(video)
    if len(times) != record.num_frames:
        why = f"the video has {len(times)} frames, the boxes are for {record.num_frames}"
        raise InputError(f"{path} does not fit", why, COPY_AGAIN)
    actions = np.full((len(times), len(record.tubes)), NO_ACTION, np.int16)
    boxes = np.full((*actions.shape, 4), np.nan, np.float32)
    for actor, tube in enumerate(record.tubes):
        span = slice(tube.start_frame, tube.end_frame_exclusive)
        actions[span, actor] = classes.index(tube.label)
        corner, size = np.split(np.array(tube.boxes_xywh, np.float32).reshape(-1, 4), 2, axis=1)
        boxes[span, actor] = clip_boxes(np.hstack([corner, corner + size]), info.width, info.height)
    return video, Truth(classes, info.width, info.height, times, actions, boxes)
