"""Frame* -> Clip*: slide a window over the samples on the network's clock.

Two ways, by the network's `margin`:

  margin 0: clips of `clip_len` samples every `stride`; the end is padded by reflection, and the padding is not valid.
        0 1 2 3 4 5 6 7              clip 0, all valid
                4 5 6 7 8 9 8 7      clip 1, 4..9 valid

  margin m: the network keeps the time axis and sees m samples to each side, so clips overlap by 2 m and only what no edge
  touches is valid; together they give exactly what one pass over the whole video would.
        0 1 2 3 4 5 6 .              m = 1: 0..6 valid
                    x 7 8 9          7.. valid (x is 6, seen again and not counted)

Networks that remember what they saw (`steps`) get each sample as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.structures import Clip, Frame


def windows(frames: Iterable[Frame], clip_len: int, stride: int, margin: int = 0) -> Iterator[Clip]:
    """Groups sampled frames into clips; every frame is in at least one.

    Args:
        frames: frames with `samples` set, as `sample` gives them.
        clip_len: samples per clip.
        stride: samples between the starts of clips, 1 to clip_len; with a margin, clip_len - 2 * margin.
        margin: samples at each end of a clip that are not valid, except at the ends of the video.

    Raises:
        ValueError: sizes that leave samples uncovered.
    """
    if not 1 <= stride <= clip_len - 2 * margin:
        raise ValueError(f"stride {stride} does not fit clips of {clip_len} samples with a margin of {margin}")
    if margin and stride != clip_len - 2 * margin:
        raise ValueError(f"with a margin of {margin}, clips of {clip_len} samples tile at a stride of {clip_len - 2 * margin}")
    window = _Window(clip_len, stride, margin)
    for frame in frames:
        yield from window.add(frame)
    yield from window.flush()


def steps(frames: Iterable[Frame]) -> Iterator[Clip]:
    """Groups sampled frames for a network that remembers: a clip for each frame that is sampled, with those since the one before.

    Yields:
        Clips that share nothing; at the end one without samples for the frames behind the last sample.
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

    def __init__(self, clip_len: int, stride: int, margin: int) -> None:
        self._clip_len, self._stride, self._margin = clip_len, stride, margin
        self._frames: list[Frame] = []
        self._samples: list[int] = []
        """Positions in `_frames`."""
        self._start = 0

    def add(self, frame: Frame) -> Iterator[Clip]:
        # A full clip waits for the next sample, so that the unsampled frames behind its last one ride with it.
        for n in range(frame.samples):
            if len(self._samples) == self._clip_len:
                yield self._cut()
            if n == 0 or not self._frames:
                self._frames.append(frame)
            self._samples.append(len(self._frames) - 1)
        if not frame.samples:
            self._frames.append(frame)

    def _cut(self) -> Clip:
        """The full clip; keeps what the next one shares with it."""
        margin = self._margin
        clip = self._clip(
            self._samples, (self._first_valid, self._clip_len - margin), self._clip_len - margin if margin else self._stride
        )
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
        """The end: a full clip as it is, a part clip reflected (margin 0) or short (with a margin)."""
        count = len(self._samples)
        if not count:
            return
        samples = self._samples
        if not self._margin:
            samples = [samples[i] for i in np.pad(np.arange(count), (0, self._clip_len - count), mode="reflect")]
        yield self._clip(samples, (self._first_valid, count), count)
