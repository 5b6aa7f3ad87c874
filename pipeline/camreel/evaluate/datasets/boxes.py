"""Clips with a class each, and boxes on some of their frames: of those who act, of bystanders, and of people to be ignored.

A folder has one `*_boxes.json`, which explains its format and names the clips. Nothing is chosen on them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, Field, model_validator

from camreel.annotations import NO_ACTION, Truth
from camreel.errors import InputError
from camreel.evaluate.datasets.files import AGAIN, clipped, frame_times, header, named, read_record
from camreel.evaluate.eval_video import Case, Marks
from camreel.structures import F32

SPLIT = "boxes"
TAIL = "_boxes.json"


def _checked(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError(f"{list(box)} is no box: left, top, right, bottom")
    return box


_Box = Annotated[tuple[float, float, float, float], AfterValidator(_checked)]


class _Frame(BaseModel):
    i: int = Field(ge=0)
    fight_visible: bool
    box: _Box | None
    parts: list[_Box] = []
    ignore: list[_Box] = []
    bystanders: list[_Box] = []

    @model_validator(mode="after")
    def _check_box(self) -> Self:
        if self.fight_visible and self.box is None:
            raise ValueError(f"frame {self.i} has no box of what is visible")
        return self


class _Clip(BaseModel):
    clip: str
    file: str
    label: str
    wh: tuple[int, int]
    frames: list[_Frame]

    @model_validator(mode="after")
    def _check_inside(self) -> Self:
        width, height = self.wh
        for frame in self.frames:
            for left, top, right, bottom in (
                *filter(None, [frame.box]),
                *frame.parts,
                *frame.ignore,
                *frame.bystanders,
            ):
                if right <= 0 or bottom <= 0 or left >= width or top >= height:
                    raise ValueError(f"a box on frame {frame.i} of {self.clip} lies outside of the picture")
        return self


class _List(BaseModel):
    clips: list[_Clip]


def test(folder: Path | None, videos: int, seed: int) -> list[Case]:
    """All clips that the file in a folder names.

    Raises:
        ConfigError: no folder is named.
        InputError: it is not there, or files are missing, damaged or do not fit each other.
    """
    place = named(folder, SPLIT, f"one NAME{TAIL}")
    paths = sorted(place.glob(f"*{TAIL}"))
    if len(paths) != 1:
        why = f"{', '.join(path.name for path in paths)} are too many" if paths else f"no file in it ends in {TAIL}"
        raise InputError(f"{place} has not one list of boxes", why, "keep one list in the folder")
    return [_case(paths[0], clip) for clip in read_record(paths[0], _List).clips]


def validation(folder: Path | None, videos: int) -> list[Case]:
    """None: few frames are annotated."""
    return []


def _case(path: Path, clip: _Clip) -> Case:
    video = path.parent / clip.file
    info = header(video, path)
    if (info.width, info.height) != clip.wh:
        why = f"the video is {info.width}x{info.height}, the boxes are for {clip.wh[0]}x{clip.wh[1]}"
        raise InputError(f"{path} does not fit {clip.file}", why, AGAIN)
    marks = {
        frame.i: Marks(
            *(_table(each, clip.wh) for each in (frame.parts or [frame.box], frame.ignore, frame.bystanders))
        )
        for frame in clip.frames
        if frame.box
    }
    load = partial(_load, video, path, clip)
    return Case(clip.clip, SPLIT, None, info.duration or 0.0, load, timed=False, dense=False, marks=marks)


def _load(video: Path, path: Path, clip: _Clip, scratch: Path) -> tuple[Path, Truth]:
    times = frame_times(video)
    actions, boxes = np.full((len(times), 1), NO_ACTION, np.int16), np.full((len(times), 1, 4), np.nan, np.float32)
    for frame in clip.frames:
        if frame.i >= len(times):
            why = f"it has {len(times)} frames, and boxes on frame {frame.i}, counted from 0"
            raise InputError(f"{path} does not fit {clip.file}", why, AGAIN)
        if frame.fight_visible and frame.box:
            actions[frame.i], boxes[frame.i] = 0, _table([frame.box], clip.wh)
    return video, Truth((clip.label,), *clip.wh, times, actions, boxes)


def _table(boxes: list[_Box], size: tuple[int, int]) -> F32:
    """[N, 4]"""
    return clipped(np.array(boxes, np.float32).reshape(-1, 4), *size)
