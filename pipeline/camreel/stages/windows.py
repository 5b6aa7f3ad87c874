"""Frame* -> Clip*: slide a window over the samples on the network's clock.

There are two ways, chosen by the network's `margin`:

  margin 0: clips of `clip_len` samples every `stride`; the end is padded by reflection, and the padding is not valid.
        0 1 2 3 4 5 6 7              clip 0, all valid
                4 5 6 7 8 9 8 7      clip 1, 4..9 valid

  margin m: the network keeps the time axis and sees m samples to each side, so clips overlap by 2 m samples and only
  samples that no clip edge touches are valid; together they equal one pass over the whole video.
        0 1 2 3 4 5 6 .              m = 1: 0..6 valid
                    x 7 8 9          7.. valid (x is sample 6, seen again and not counted)

Networks with stream state get every sample as soon as it is there (`stream_steps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from camreel.structures import Clip, Frame


@dataclass(frozen=True, slots=True)
class Windowing:
    """How samples are grouped into clips."""

    clip_len: int
    """Samples per clip."""
    stride: int
    """Samples between the starts of clips, 1 to clip_len; with a margin, clip_len - 2 * margin."""
    margin: int = 0
    """Samples at each end of a clip that are not valid, except at the ends of the video."""
    streams: bool = False
    """One sample at a time, for a network with stream state; `clip_len` and `stride` do not apply."""

    def __post_init__(self) -> None:
        longest = self.clip_len - 2 * self.margin
        if not 1 <= self.stride <= longest:
            raise ValueError(
                f"stride {self.stride} does not fit clips of {self.clip_len} samples with margin {self.margin}"
            )
        if self.margin and self.stride != longest:
            raise ValueError(
                f"clips of {self.clip_len} samples with margin {self.margin} tile at a stride of {longest}"
            )


def windows(frames: Iterable[Frame], windowing: Windowing) -> Iterator[Clip]:
    """Group sampled frames into clips; every frame is in at least one.

    Args:
        frames: frames with `samples` set by `sample`.
        windowing: how to group them.
    """
    if windowing.streams:
        yield from stream_steps(frames)
        return
    window = _Window(windowing)
    for frame in frames:
        yield from window.add(frame)
    yield from window.flush()


def stream_steps(frames: Iterable[Frame]) -> Iterator[Clip]:
    """Group frames for a network with stream state: one clip per sampled frame, with the frames since the last one.

    Yields:
        Clips that share no frame; at the end, one without samples for the frames after the last sample.
    """
    since: list[Frame] = []
    tick = 0
    for frame in frames:
        since.append(frame)
        if frame.samples:
            yield _step(since, tick, frame.samples)
            tick += frame.samples
            since = []
    if since:
        yield _step(since, tick, 0)


def _step(frames: Sequence[Frame], tick: int, samples: int) -> Clip:
    return Clip(tuple(frames), (len(frames) - 1,) * samples, tick, (0, samples), samples)


class _Window:
    """The frames since the start of the next clip, and which of them are samples."""

    def __init__(self, windowing: Windowing) -> None:
        self._clip_len, self._stride, self._margin = windowing.clip_len, windowing.stride, windowing.margin
        self._frames: list[Frame] = []
        self._samples: list[int] = []
        """Positions in `_frames`."""
        self._start = 0

    def add(self, frame: Frame) -> Iterator[Clip]:
        # A full clip waits for the next sample, so that the frames after its last sample ride with it.
        for n in range(frame.samples):
            if len(self._samples) == self._clip_len:
                yield self._cut()
            if n == 0 or not self._frames:
                self._frames.append(frame)
            self._samples.append(len(self._frames) - 1)
        if not frame.samples:
            self._frames.append(frame)

    def _cut(self) -> Clip:
        """Return the full clip, and keep what the next one shares with it."""
        margin = self._margin
        valid = self._first_valid, self._clip_len - margin
        clip = self._clip(self._samples, valid, self._clip_len - margin if margin else self._stride)
        kept = self._samples[self._stride :]
        drop = kept[0] if kept else len(self._frames)
        self._frames = self._frames[drop:]
        self._samples = [position - drop for position in kept]
        self._start += self._stride
        return clip

    @property
    def _first_valid(self) -> int:
        return self._margin if self._start else 0

    def _clip(self, samples: list[int], valid: tuple[int, int], settled: int) -> Clip:
        return Clip(tuple(self._frames), tuple(samples), self._start, valid, settled)

    def flush(self) -> Iterator[Clip]:
        """Yield the last clip: a full one as it is, a partial one reflected (margin 0) or short (with a margin)."""
        count = len(self._samples)
        if not count:
            return
        samples = self._samples
        if not self._margin:
            samples = [samples[i] for i in np.pad(np.arange(count), (0, self._clip_len - count), mode="reflect")]
        yield self._clip(samples, (self._first_valid, count), count)
