"""The recorder: recordings of live pictures, decoded again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2  # noqa: F401 - before av

import av  # isort: skip
import numpy as np
import pytest
from camreel.errors import ConfigError, OutputError
from camreel.sinks.options import VideoOptions
from camreel.sinks.video import encoder
from camreel.sinks.video.clock import LiveClock
from camreel.sinks.video.encoder import EncoderSettings, PictureEncoder, color_tags
from camreel.sinks.video.recorder import Recorder
from camreel.structures import DisplayFrame, Frame, Picture

MILLI = Fraction(1, 1000)
ROOT = str(Path(__file__).resolve().parents[1])


@pytest.fixture(autouse=True)
def no_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the same encoder on every machine."""
    monkeypatch.setattr(encoder, "HARDWARE", ())


def luma(n: int) -> int:
    return 40 + n * 4 % 180


def screen(
    n: int, time: float, width: int = 160, height: int = 120, level: int | None = None, **kw: Any
) -> DisplayFrame:
    """Return a picture whose luma encodes its number; the source frame has another size."""
    half = height // 2, width // 2
    y = np.full((height, width), luma(n) if level is None else level, np.uint8)
    annotated = Picture(y, np.full(half, 110, np.uint8), np.full(half, 140, np.uint8), **kw)
    raw = Picture(y[:9, :9], annotated.u[:5, :5], annotated.v[:5, :5])
    return DisplayFrame(annotated, Frame(n, None, time, MILLI, raw, captured=1000 + time), None, None)


def at(times: Sequence[float], **kw: Any) -> list[DisplayFrame]:
    return [screen(n, time, **kw) for n, time in enumerate(times)]


@contextlib.contextmanager
def recording(path: Path, preset: str = "ultrafast", **kw: Any) -> Iterator[Recorder]:
    recorder = Recorder(path, VideoOptions(preset=preset), **kw)
    try:
        yield recorder
    finally:
        recorder.abandon()


def record(path: Path, screens: Sequence[DisplayFrame], **kw: Any) -> Recorder:
    with recording(path, **kw) as recorder:
        for item in screens:
            recorder.show(item)
        recorder.close()
    return recorder


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_of(path: Path) -> list[float]:
    return [float(f.pts * f.time_base) for f in frames_of(path)]


def level_of(frame: av.VideoFrame) -> float:
    return float(frame.to_ndarray()[: frame.height].mean())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_every_picture_is_recorded_in_order_at_its_time_of_capture(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(4)
    times = (7.25 + np.cumsum(rng.uniform(0.004, 0.3, 60))).tolist()
    path = tmp_path / "new" / f"out{suffix}"
    recorder = record(path, at(times))
    frames = frames_of(path)
    assert times_of(path) == pytest.approx([t - times[0] for t in times], abs=0.001)
    assert [level_of(f) for f in frames] == pytest.approx([luma(n) for n in range(60)], abs=2)
    assert frames[0].key_frame
    assert (frames[0].format.name, frames[0].width, frames[0].height) == ("yuv420p", 160, 120)
    assert recorder.files == [path]
    assert recorder.notes == []
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_default_settings_make_h264_that_browsers_play(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", at([0.0, 0.04, 0.09]), preset="veryfast")
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.start_time) == ("h264", "yuv420p", 0)
        assert stream.frames == 3


def test_repeated_and_backward_times_keep_the_order_of_arrival(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", at([5.0, 5.1, 5.1, 5.1, 5.2, 3.0, 3.1, 3.3]))
    times = times_of(tmp_path / "out.mp4")
    assert all(a < b for a, b in pairwise(times))
    assert times == pytest.approx([0, 0.1, 0.1, 0.1, 0.2, 0.2, 0.3, 0.5], abs=0.001)
    assert [level_of(f) for f in frames_of(tmp_path / "out.mp4")] == pytest.approx([luma(n) for n in range(8)], abs=2)


def test_repeated_times_do_not_shift_later_ones() -> None:
    clock = LiveClock()
    stamps = [clock.stamp(screen(n, n // 30 / 10).frame) for n in range(3000)]
    assert stamps[2970] == 99 * 9000
    assert all(a < b for a, b in pairwise(stamps))


@pytest.mark.parametrize("rate", [2.0, 30.0, 100.0])
def test_a_key_frame_comes_every_two_seconds_whatever_the_rate(tmp_path: Path, rate: float) -> None:
    record(tmp_path / "out.mp4", at([n / rate for n in range(round(9 * rate))], level=90))
    keys = [float(f.pts * f.time_base) for f in frames_of(tmp_path / "out.mp4") if f.key_frame]
    assert max(b - a for a, b in pairwise([*keys, 9.0])) <= 2.001


def test_every_picture_comes_out_of_the_encoder_at_once() -> None:
    settings = EncoderSettings("libx264", encoder.encoder_options("libx264", 23, "veryfast", live=True), timed=True)
    items = at([n / 30 for n in range(40)])
    context, tags = av.CodecContext.create("libx264", "w"), color_tags(items[0].picture)
    encoding = PictureEncoder(context, (160, 120), settings, LiveClock(), tags)
    for item in items:
        encoding.canvas(item.picture).y[:] = item.picture.y
        (packet,) = encoding.encode(item.frame)
        assert packet.pts == packet.dts
    assert encoding.flush() == []


def test_a_new_part_begins_after_the_segment_length(tmp_path: Path) -> None:
    times = [10 + n / 20 for n in range(90)]
    with recording(tmp_path / "out.mp4", segment=2.0) as recorder:
        for item in at(times):
            recorder.show(item)
            if item.frame.index == 45:
                assert recorder.files == [tmp_path / "out.mp4"]
                assert len(frames_of(tmp_path / "out.mp4")) == 40
        recorder.close()
    assert [p.name for p in recorder.files] == ["out.mp4", "out-2.mp4", "out-3.mp4"]
    assert sorted(tmp_path.iterdir()) == sorted(recorder.files)
    parts = [frames_of(path) for path in recorder.files]
    assert [len(part) for part in parts] == [40, 40, 10]
    assert [level_of(f) for part in parts for f in part] == pytest.approx([luma(n) for n in range(90)], abs=2)
    for path, part in zip(recorder.files, parts, strict=True):
        assert part[0].key_frame
        assert times_of(path) == pytest.approx([n / 20 for n in range(len(part))], abs=0.001)


def test_a_new_part_begins_whenever_the_size_changes(tmp_path: Path) -> None:
    small, large = {"width": 160, "height": 120}, {"width": 320, "height": 180}
    items = [screen(n, n / 10, **(large if 5 <= n < 9 else small)) for n in range(12)]
    recorder = record(tmp_path / "out.mp4", items)
    parts = [frames_of(path) for path in recorder.files]
    assert [(len(part), part[0].width, part[0].height) for part in parts] == [
        (5, 160, 120),
        (4, 320, 180),
        (3, 160, 120),
    ]
    assert [p.name for p in recorder.files] == ["out.mp4", "out-2.mp4", "out-3.mp4"]


@pytest.mark.parametrize(
    ("made", "expected"),
    [({"matrix": "bt601"}, (6, 1)), ({"matrix": "bt709"}, (1, 1)), ({"matrix": "bt601", "full_range": True}, (6, 2))],
)
def test_color_tags_match_the_picture(tmp_path: Path, made: dict[str, Any], expected: tuple[int, int]) -> None:
    record(tmp_path / "out.mp4", at([0, 0.1], **made))
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == expected


def test_a_new_part_begins_when_the_color_matrix_changes(tmp_path: Path) -> None:
    recorder = record(
        tmp_path / "out.mp4", [screen(0, 0.0), screen(1, 0.1, matrix="bt709"), screen(2, 0.2, matrix="bt709")]
    )
    assert [len(frames_of(path)) for path in recorder.files] == [1, 2]


def test_later_parts_never_replace_existing_files(tmp_path: Path) -> None:
    mine = {name: name.encode() for name in ("out.mp4", "out-2.mp4", "out-4.partial.mp4", "out-5.mp4")}
    for name, data in mine.items():
        (tmp_path / name).write_bytes(data)
    recorder = record(tmp_path / "out.mp4", at([0.0, 1.0, 2.0]), segment=1.0)
    assert [p.name for p in recorder.files] == ["out.mp4", "out-3.mp4", "out-6.mp4"]
    # Whoever named the first part was asked about it.
    assert {name: (tmp_path / name).read_bytes() for name in list(mine)[1:]} == dict(list(mine.items())[1:])
    assert recorder.notes == []


def test_an_unfinished_recording_is_kept_and_the_next_one_notes_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "out.partial.mp4").write_bytes(b"what a killed run left")
    recorder = record(tmp_path / "out.mp4", at([0.0, 0.1]))
    assert (tmp_path / "out.partial.mp4").read_bytes() == b"what a killed run left"
    assert recorder.files == [tmp_path / "out-2.mp4"]
    (note,) = recorder.notes
    assert "out-2.mp4" in note and "out.partial.mp4" in note


def test_without_pictures_no_file_is_left(tmp_path: Path) -> None:
    recorder = record(tmp_path / "out.mp4", [])
    assert recorder.files == []
    assert list(tmp_path.iterdir()) == []


def test_after_closing_the_next_picture_begins_a_new_part(tmp_path: Path) -> None:
    with recording(tmp_path / "out.mp4") as recorder:
        for n in range(4):
            recorder.show(screen(n, n / 10))
            if n == 1:
                recorder.close()
        recorder.close()
        recorder.close()
    assert [len(frames_of(path)) for path in recorder.files] == [2, 2]


def test_an_abandoned_part_is_valid_under_its_partial_name(tmp_path: Path) -> None:
    with recording(tmp_path / "out.mp4", segment=0.5) as recorder:
        for item in at([n / 10 for n in range(8)]):
            recorder.show(item)
    recorder.abandon()
    assert recorder.files == [tmp_path / "out.mp4", tmp_path / "out-2.partial.mp4"]
    assert [len(frames_of(path)) for path in recorder.files] == [5, 3]
    assert sorted(tmp_path.iterdir()) == sorted(recorder.files)


def test_an_output_that_cannot_be_written_is_an_error_before_the_first_picture(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="folder has this name"):
        Recorder(tmp_path / "out.mp4")
    with pytest.raises(OutputError, match="cannot write"):
        Recorder(tmp_path / "file" / "out.mp4")
    with pytest.raises(ConfigError, match=r"\.mp4, .*\.mkv"):
        Recorder(tmp_path / "out.wmv")
    with pytest.raises(ConfigError, match="did you mean 'veryfast'"):
        Recorder(tmp_path / "other.mp4", VideoOptions(preset="veryfats"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "out.mp4"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_output_error_and_leaves_the_parts_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(tmp_path / "out.mp4", segment=1.0) as recorder:
        for n in range(10):
            recorder.show(screen(n, n / 10))
        (tmp_path / "full.mp4").symlink_to("/dev/full")
        monkeypatch.setattr("camreel.sinks.video.writer.reserve", lambda path, todo: tmp_path / "full.mp4")
        with pytest.raises(OutputError, match="free some space") as caught:
            for n in range(10, 200):
                recorder.show(screen(n, 1.0 + n / 10))
    assert "out-2.mp4" in caught.value.what
    assert len(frames_of(tmp_path / "out.mp4")) == 10
    assert not (tmp_path / "out-2.mp4").exists()


KILLED = """
    import sys
    from pathlib import Path
    sys.path[:0] = sys.argv[2:]
    from tests.test_sinks_recorder import Recorder, VideoOptions, screen
    recorder = Recorder(Path(sys.argv[1]), VideoOptions(codec="libx264"))
    for n in range(300):
        recorder.show(screen(n, n / 30))
    sys.stdout.write("written\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_process_loses_two_seconds_at_most(tmp_path: Path, suffix: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / f"out{suffix}"), ROOT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        os.kill(child.pid, signal.SIGKILL)
    frames: list[av.VideoFrame] = []
    with av.open(str(tmp_path / f"out.partial{suffix}")) as container, contextlib.suppress(av.error.InvalidDataError):
        frames.extend(container.decode(video=0))
    assert len(frames) >= 300 - 60
    assert [level_of(f) for f in frames] == pytest.approx([luma(n) for n in range(len(frames))], abs=2)
