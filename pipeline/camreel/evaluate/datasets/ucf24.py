"""UCF101-24 (Soomro et al., 2012, with the boxes of the THUMOS challenge): real footage where every actor has a tube.

A folder has `NAME.boxes.json` beside `NAME.mp4` or `NAME.avi` for every video. Outside of the tubes nobody does anything. Nothing
is chosen on these videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

from camreel.annotations import NO_ACTION, Truth
from camreel.errors import InputError
from camreel.evaluate.datasets.files import AGAIN, clipped, frame_times, header, named, read_record
from camreel.evaluate.eval_video import Case

SPLIT = "ucf24"
TAIL = ".boxes.json"
SUFFIXES = (".mp4", ".avi")
KINETICS = {
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
"""What comes nearest in Kinetics-400, as torchvision's networks spell it; LongJump, PoleVault and SkateBoarding are the same there.
Some are wider than the UCF class: Kinetics has no bowling in cricket, and fencing is among the sword fights."""


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


def test(folder: Path | None, videos: int, seed: int) -> list[Case]:
    """All videos of a folder.

    Raises:
        ConfigError: no folder is named.
        InputError: it is not there, or files are missing or damaged.
    """
    place = named(folder, SPLIT, f"NAME{TAIL} beside NAME{SUFFIXES[0]}")
    paths = sorted(place.glob(f"*{TAIL}"))
    if not paths:
        raise InputError(
            f"{place} has no boxes", f"no file in it ends in {TAIL}", "name the folder with the annotated videos"
        )
    records = {path: read_record(path, _Video) for path in paths}
    classes = tuple(sorted({tube.label for record in records.values() for tube in record.tubes}))
    return [_case(path, record.num_frames, classes) for path, record in records.items()]


def validation(folder: Path | None, videos: int) -> list[Case]:
    """None: there are too few to spare any."""
    return []


def _case(path: Path, frames: int, classes: Sequence[str]) -> Case:
    name = path.name.removesuffix(TAIL)
    beside = [path.with_name(name + suffix) for suffix in SUFFIXES]
    video = next((each for each in beside if each.is_file()), beside[0])
    seconds = frames / float(header(video, path).average_rate or 25)
    return Case(name, SPLIT, None, seconds, partial(_load, video, path, tuple(classes)), aliases=KINETICS)


def _load(video: Path, path: Path, classes: tuple[str, ...], scratch: Path) -> tuple[Path, Truth]:
    record, info, times = read_record(path, _Video), header(video, path), frame_times(video)
    if len(times) != record.num_frames:
        raise InputError(
            f"{path} does not fit", f"the video has {len(times)} frames, the boxes are for {record.num_frames}", AGAIN
        )
    actions = np.full((len(times), len(record.tubes)), NO_ACTION, np.int16)
    boxes = np.full((*actions.shape, 4), np.nan, np.float32)
    for actor, tube in enumerate(record.tubes):
        span = slice(tube.start_frame, tube.end_frame_exclusive)
        actions[span, actor] = classes.index(tube.label)
        corner, size = np.split(np.array(tube.boxes_xywh, np.float32).reshape(-1, 4), 2, axis=1)
        boxes[span, actor] = clipped(np.hstack([corner, corner + size]), info.width, info.height)
    return video, Truth(classes, info.width, info.height, times, actions, boxes)
