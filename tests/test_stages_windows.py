"""Grouping of samples into clips: every frame and every sample is covered, as the network needs it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camreel.stages.windows import Windowing, windows
from tests.make import frames


def sampled(samples):
    """Return frames that answer the given numbers of ticks of the network's clock."""
    total, out = 0, []
    for frame, n in zip(frames([i / 30 for i in range(len(samples))]), samples, strict=True):
        out.append(dataclasses.replace(frame, samples=n, tick=float(total) if n else total - 0.5))
        total += n
    return out


def ticks(clip):
    """Return the index of the source frame of each sample."""
    return [clip.frames[i].index for i in clip.sampled]


def test_clips_overlap_and_the_end_is_reflected():
    clips = list(windows(sampled([1] * 10), Windowing(8, 4)))
    assert [ticks(c) for c in clips] == [list(range(8)), [4, 5, 6, 7, 8, 9, 8, 7]]
    assert [c.valid for c in clips] == [(0, 8), (0, 6)]
    assert [c.start for c in clips] == [0, 4]
    assert [c.settled for c in clips] == [4, 6]


def test_a_video_shorter_than_a_clip_is_reflected_as_often_as_needed():
    (clip,) = windows(sampled([1] * 3), Windowing(8, 4))
    assert ticks(clip) == [0, 1, 2, 1, 0, 1, 2, 1]
    assert clip.valid == (0, 3)


def test_one_frame_fills_a_clip():
    (clip,) = windows(sampled([1]), Windowing(8, 4))
    assert ticks(clip) == [0] * 8
    assert clip.valid == (0, 1)


def test_with_a_margin_clips_tile_and_nothing_is_reflected():
    clips = list(windows(sampled([1] * 11), Windowing(8, 4, margin=2)))
    assert [ticks(c) for c in clips] == [list(range(8)), list(range(4, 11))]
    assert [c.valid for c in clips] == [(0, 6), (2, 7)]


def test_unsampled_frames_at_the_end_belong_to_the_last_clip():
    clips = list(windows(sampled([1, 0, 1, 0, 1, 0, 1, 0]), Windowing(4, 4)))
    assert [[f.index for f in c.frames] for c in clips] == [list(range(8))]


def test_no_frames_give_no_clips():
    assert list(windows([], Windowing(8, 4))) == []


@pytest.mark.parametrize(("clip_len", "stride", "margin"), [(8, 9, 0), (8, 0, 0), (8, 3, 2), (4, 1, 2)])
def test_sizes_that_would_leave_gaps_are_refused(clip_len, stride, margin):
    with pytest.raises(ValueError, match="stride|margin"):
        Windowing(clip_len, stride, margin)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
    st.lists(st.integers(0, 3), min_size=0, max_size=60),
)
def test_every_frame_and_every_sample_is_covered(sizes, samples):
    clip_len, stride = sizes
    source = sampled([1, *samples])
    clips = list(windows(source, Windowing(clip_len, stride)))
    check_cover(source, clips)
    assert all(len(c.sampled) == clip_len for c in clips)
    assert all(b.start - a.start == stride for a, b in zip(clips, clips[1:], strict=False))


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.lists(st.integers(0, 3), min_size=0, max_size=60))
def test_with_a_margin_every_sample_is_valid_in_exactly_one_clip(margin, tile, samples):
    source = sampled([1, *samples])
    clips = list(windows(source, Windowing(tile + 2 * margin, tile, margin)))
    check_cover(source, clips)
    valid = [c.start + s for c in clips for s in range(*c.valid)]
    assert valid == list(range(sum(f.samples for f in source)))
    # Samples beside a valid one are the true neighbors, as far as the network sees, except at the ends of the video.
    for c in clips:
        assert c.valid[0] >= min(margin, c.start) and (c is clips[-1] or len(c.sampled) - c.valid[1] >= margin)


def check_cover(source, clips):
    """Check that the clips hold every frame in order, and every sample."""
    order = [i for f in source for i in [f.index] * f.samples]
    seen = []
    for clip in clips:
        assert [f.index for f in clip.frames] == list(range(clip.frames[0].index, clip.frames[-1].index + 1))
        seen += [f.index for f in clip.frames if not seen or f.index > seen[-1]]
        first, end = clip.valid
        assert ticks(clip)[first:end] == order[clip.start + first : clip.start + end]
    assert seen == [f.index for f in source]
    assert {c.start + s for c in clips for s in range(*c.valid)} == set(range(len(order)))
