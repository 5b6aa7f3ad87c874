"""The video sink: annotated videos, decoded again."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
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
from camreel.sinks.video.sink import VideoSink
from camreel.structures import (
    Action,
    ColorTags,
    Counts,
    Frame,
    Grid,
    Header,
    Localization,
    Picture,
    Summary,
    Track,
    VideoInfo,
)

SUMMARY = Summary(Counts(0, 0, 0, 0, 0), (), (), None, {}, ())
GRID = Grid((7.5, 7.5), (16.0, 16.0))


@pytest.fixture(autouse=True, scope="module")
def no_hardware() -> Iterator[None]:
    """Use the same encoder on every machine; the choice of `auto` has tests of its own."""
    hardware, encoder.HARDWARE = encoder.HARDWARE, ()
    yield
    encoder.HARDWARE = hardware


def video_info(width: int = 160, height: int = 120, time_base: Fraction = Fraction(1, 90_000), **kw: Any) -> VideoInfo:
    return VideoInfo("test", width, height, 0, time_base, Fraction(25), None, 2.0, **kw)


def header(info: VideoInfo, **kw: Any) -> Header:
    values = {"model": "m", "weights": "w", "sha256": None, "frame_rate": None, "classes": ("a", "b"), "method": "cam"}
    return Header(source=info, grid=(8, 10), smoothing="none", lag=0.0, config={}, **{**values, **kw})


def picture(width: int, height: int, luma: int, **kw: Any) -> Picture:
    half = (height + 1) // 2, (width + 1) // 2
    return Picture(
        np.full((height, width), luma, np.uint8), np.full(half, 110, np.uint8), np.full(half, 140, np.uint8), **kw
    )


def localizations(
    info: VideoInfo, stamps: Sequence[int | None], packets: Callable[[int], tuple[Any, ...]] = lambda n: ()
) -> list[Localization]:
    """Return one localization per timestamp, whose luma encodes its number."""
    first, last, result = next((s for s in stamps if s is not None), 0), -1.0, []
    for n, pts in enumerate(stamps):
        seconds = n / 25 if pts is None else float((pts - first) * info.time_base)
        last = max(seconds, last + 1e-4)
        frame = Frame(n, pts, last, info.time_base, picture(info.width, info.height, 40 + n * 4 % 200), packets(n))
        action = Action(0, "a", 0.8, 3.0, None, 4.0, GRID, None, ())
        result.append(Localization(frame, (action,)))
    return result


def fast(**kw: Any) -> VideoOptions:
    return VideoOptions(**{"preset": "ultrafast", **kw})


def written(path: Path, info: VideoInfo, items: Sequence[Localization], **kw: Any) -> VideoSink:
    sink = VideoSink(path, header(info), fast(**{"style": "none", **kw}))
    with closing_on_error(sink):
        for item in items:
            sink.write(item)
        sink.close(SUMMARY)
    return sink


class closing_on_error:
    def __init__(self, sink: VideoSink) -> None:
        self.sink = sink

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.sink.abandon()


def decoded(path: Path) -> tuple[list[av.VideoFrame], dict[str, Any]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        facts = {
            "codec": context.name,
            "pix_fmt": context.pix_fmt,
            "size": (context.width, context.height),
            "audio": [s.codec_context.name for s in container.streams.audio],
            "tags": (context.color_primaries, context.color_trc, context.colorspace, context.color_range),
            "duration": container.duration,
        }
        return list(container.decode(stream)), facts


def relative(frames: list[av.VideoFrame]) -> list[float]:
    return [float((f.pts - frames[0].pts) * f.time_base) for f in frames]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(
    ("time_base", "stamps"),
    [
        (Fraction(1, 90_000), [0, 3600, 3700, 9000, 9003, 90_000, 180_001]),
        (Fraction(1, 12_800), [5000, 5512, 6024, 6536]),
        (Fraction(1, 25), [3, 4, 5, 9, 12]),
        (Fraction(1001, 30_000), list(range(7, 40))),
        (Fraction(1, 1_000_000_000), [10**9 * 7 + n * 33_333_333 for n in range(20)]),
        (Fraction(1, 90_000), [2**33 - 50_000 + n * 3003 for n in range(40)]),
        (Fraction(1, 1000), [-80, -40, 0, 40, 95]),
    ],
    ids=["vfr", "non-zero-start", "coarse", "ntsc", "nanoseconds", "broadcast-clock", "negative"],
)
def test_frames_keep_the_sources_times(tmp_path: Path, suffix: str, time_base: Fraction, stamps: list[int]) -> None:
    info, path = video_info(time_base=time_base), tmp_path / f"out{suffix}"
    written(path, info, localizations(info, stamps))
    frames, facts = decoded(path)
    assert len(frames) == len(stamps)
    expected = [float((s - stamps[0]) * time_base) for s in stamps]
    assert relative(frames) == pytest.approx(expected, abs=0.001)
    assert (facts["codec"], facts["pix_fmt"]) == ("h264", "yuv420p")
    lumas = [float(f.to_ndarray()[:100, :120].mean()) for f in frames]
    assert lumas == pytest.approx([40 + n * 4 % 200 for n in range(len(stamps))], abs=2)


def test_time_stamps_equal_the_sources_where_the_container_can_hold_them(tmp_path: Path) -> None:
    info, stamps = video_info(), [0, 3600, 3700, 9000, 9003, 90_000]
    written(tmp_path / "out.mp4", info, localizations(info, stamps))
    frames, _ = decoded(tmp_path / "out.mp4")
    assert [round(f.pts * f.time_base * 90_000) for f in frames] == stamps


def test_missing_and_repeated_time_stamps_are_replaced_and_counted(tmp_path: Path) -> None:
    info = video_info(time_base=Fraction(1, 1000))
    sink = written(tmp_path / "out.mp4", info, localizations(info, [0, 40, None, None, 160, 160, 150, 240]))
    frames, _ = decoded(tmp_path / "out.mp4")
    times = relative(frames)
    assert len(frames) == 8
    assert all(b > a for a, b in pairwise(times))
    assert times[2:5] == pytest.approx([0.08, 0.12, 0.16], abs=0.002)
    assert times[7] == pytest.approx(0.24, abs=0.002)
    assert sink.notes == ["4 frames without usable time stamps were placed by their time of arrival"]


@pytest.mark.parametrize(("width", "height"), [(161, 121), (160, 121), (17, 33)])
def test_odd_pictures_gain_a_column_or_row_that_repeats_the_last(tmp_path: Path, width: int, height: int) -> None:
    info = video_info(width, height)
    written(tmp_path / "out.mp4", info, localizations(info, [0, 3600]), crf=1)
    frames, facts = decoded(tmp_path / "out.mp4")
    assert facts["size"] == (width + width % 2, height + height % 2)
    luma = frames[0].to_ndarray()[: facts["size"][1]]
    assert abs(int(luma[-1, -1]) - int(luma[-3, -3])) <= 2


def test_side_by_side_is_twice_as_wide_and_leaves_the_left_alone(tmp_path: Path) -> None:
    info = video_info()
    written(tmp_path / "out.mp4", info, localizations(info, [0, 3600]), style="side-by-side", crf=1)
    frames, facts = decoded(tmp_path / "out.mp4")
    assert facts["size"] == (320, 120)
    luma = frames[0].to_ndarray()[:120]
    assert np.abs(luma[:, :150].astype(int) - 40).max() <= 3
    assert np.abs(luma[:, 170:].astype(int) - 40).max() > 50


@pytest.mark.parametrize(
    ("tags", "made", "expected"),
    [
        (ColorTags(1, 1, 1, False), {"matrix": "bt709"}, (1, 1, 1, 1)),
        (ColorTags(5, 6, 5, True), {"matrix": "bt601", "full_range": True}, (5, 6, 5, 2)),
        (ColorTags(9, 16, 9, False), {"matrix": "bt2020"}, (9, 16, 9, 1)),
        (ColorTags(1, 13, 0, True), {"matrix": "bt709", "full_range": True}, (1, 13, 1, 2)),
    ],
)
def test_color_tags_are_kept(tmp_path: Path, tags: ColorTags, made: dict[str, Any], expected: tuple[int, ...]) -> None:
    info = video_info(color=tags)
    items = [
        Localization(Frame(n, n * 3600, n / 25, info.time_base, picture(160, 120, 90, **made)), ()) for n in range(3)
    ]
    written(tmp_path / "out.mp4", info, items)
    assert decoded(tmp_path / "out.mp4")[1]["tags"] == expected


def sound(path: Path, codec: str, start: int = 0, tracks: int = 1) -> Path:
    """Write a file that contains only tones."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=48_000) for _ in range(tracks)]
        for stream in streams:
            stream.codec_context.layout = "stereo"
        container.start_encoding()
        for n in range(100):
            for stream in streams:
                wave = np.sin(np.arange(n * 960, (n + 1) * 960) / 48_000 * 2 * np.pi * 440) * 9000
                frame = av.AudioFrame.from_ndarray(wave.astype(np.int16).repeat(2)[None], "s16", "stereo")
                frame.sample_rate, frame.pts = 48_000, start + n * 960
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def with_sound(
    path: Path, out: Path, mangle: Callable[[list[Any]], None] = lambda packets: None, **kw: Any
) -> VideoSink:
    """Write 50 frames over two seconds that carry the packets of an audio file."""
    with av.open(str(path)) as container:
        tracks = tuple(Track(s.index, "audio", s.codec_context.name, s) for s in container.streams.audio)
        packets = [p for p in container.demux() if p.size]
        mangle(packets)
        info = video_info(tracks=tracks)
        share = -(-len(packets) // 50)
        return written(
            out,
            info,
            localizations(info, [n * 3600 for n in range(50)], lambda n: tuple(packets[n * share : (n + 1) * share])),
            **kw,
        )


def heard(path: Path) -> list[tuple[float, float, float]]:
    """Return start, end and loudest frequency of each audio track."""
    result = []
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    for index in range(count):
        with av.open(str(path)) as container:
            frames = list(container.decode(audio=index))
            data = [frame.to_ndarray() for frame in frames]
            samples = np.concatenate(
                [d[0] if f.format.is_planar else d[0, ::2] for f, d in zip(frames, data, strict=True)]
            )
            rate = frames[0].sample_rate
            tone = float(np.argmax(np.abs(np.fft.rfft(samples[:rate].astype(np.float64)))))
            end = (frames[-1].time or 0.0) + frames[-1].samples / rate
            result.append((frames[0].time or 0.0, end, tone))
    return result


@pytest.mark.parametrize(
    ("codec", "made", "suffix", "expected"),
    [
        ("aac", ".mkv", ".mp4", "aac"),
        ("aac", ".mp4", ".mkv", "aac"),
        ("aac", ".ts", ".mp4", "aac"),
        ("libmp3lame", ".mkv", ".mp4", "mp3"),
        ("pcm_s16le", ".wav", ".mp4", "aac"),
        ("pcm_s16le", ".wav", ".mkv", "pcm_s16le"),
        ("libopus", ".mkv", ".mov", "aac"),
    ],
)
def test_audio_is_copied_or_transcoded_and_stays_in_sync(
    tmp_path: Path, codec: str, made: str, suffix: str, expected: str
) -> None:
    source, out = sound(tmp_path / f"sound{made}", codec), tmp_path / f"out{suffix}"
    sink = with_sound(source, out)
    frames, facts = decoded(out)
    assert len(frames) == 50
    assert [name.removesuffix("float") for name in facts["audio"]] == [expected]
    ((start, end, tone),) = heard(out)
    assert tone == pytest.approx(440, abs=2)
    assert end - start == pytest.approx(2.0, abs=0.1)
    assert start - float(frames[0].pts * frames[0].time_base) == pytest.approx(0, abs=0.06)
    copied = expected in codec
    assert bool(sink.notes) == (not copied)


def test_all_tracks_are_kept_and_can_be_left_out(tmp_path: Path) -> None:
    source = sound(tmp_path / "sound.mkv", "aac", tracks=2)
    with_sound(source, tmp_path / "out.mp4")
    with_sound(source, tmp_path / "silent.mp4", audio=False)
    assert decoded(tmp_path / "out.mp4")[1]["audio"] == ["aac", "aac"]
    assert decoded(tmp_path / "silent.mp4")[1]["audio"] == []


def test_audio_stays_in_sync_when_the_clock_is_moved(tmp_path: Path) -> None:
    start = 100 * 48_000
    with av.open(str(sound(tmp_path / "sound.mkv", "aac", start=start))) as container:
        track = container.streams.audio[0]
        info = video_info(tracks=(Track(track.index, "audio", "aac", track),))
        packets = [p for p in container.demux(track) if p.size]
        items = localizations(
            info, [9_000_000 + n * 3600 for n in range(50)], lambda n: tuple(packets[n * 2 : n * 2 + 2])
        )
        sink = written(tmp_path / "out.mp4", info, items)
    frames, facts = decoded(tmp_path / "out.mp4")
    ((begin, _, _),) = heard(tmp_path / "out.mp4")
    assert float(frames[0].pts * frames[0].time_base) == pytest.approx(0, abs=0.1)
    assert begin == pytest.approx(0, abs=0.1)
    assert facts["duration"] < 3_000_000
    assert sink.notes == ["the video begins at 0: the source's clock begins at 100.000 s"]


def test_repeated_audio_timestamps_are_moved_and_noted(tmp_path: Path) -> None:
    def repeat(packets: list[Any]) -> None:
        for n in (20, 21, 40):
            packets[n].dts = packets[n].pts = packets[n - 2].pts

    sink = with_sound(sound(tmp_path / "sound.mkv", "aac"), tmp_path / "out.mp4", repeat)
    assert len(decoded(tmp_path / "out.mp4")[0]) == 50
    assert sink.notes and "time stamps that do not increase" in sink.notes[0]


def test_broken_audio_never_stops_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, packet: object, offset: float) -> None:
        raise av.error.ArgumentError(errno.EINVAL, "no")

    monkeypatch.setattr("camreel.sinks.video.sink.AudioTrack.write", refuse)
    sink = with_sound(sound(tmp_path / "sound.mkv", "aac"), tmp_path / "out.mp4")
    assert len(decoded(tmp_path / "out.mp4")[0]) == 50
    assert len(sink.notes) == 1 and "ends early" in sink.notes[0]


def test_the_final_name_appears_only_when_the_video_is_complete(tmp_path: Path) -> None:
    info, path = video_info(), tmp_path / "new" / "folder" / "out.mp4"
    sink = VideoSink(path, header(info), fast())
    for item in localizations(info, [0, 3600, 7200]):
        sink.write(item)
    assert not path.exists()
    sink.close(SUMMARY)
    assert [p.name for p in path.parent.iterdir()] == ["out.mp4"]
    sink.abandon()
    assert len(decoded(path)[0]) == 3


def test_a_closed_mp4_is_not_fragmented(tmp_path: Path) -> None:
    info = video_info()
    written(tmp_path / "out.mp4", info, localizations(info, [n * 3600 for n in range(120)]))
    data = (tmp_path / "out.mp4").read_bytes()
    assert b"moov" in data
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.frames == 120
        assert float(stream.duration * stream.time_base) == pytest.approx(4.8, abs=0.05)
        container.seek(int(3 / stream.time_base), stream=stream)
        assert next(container.decode(stream)).time == pytest.approx(2, abs=1.01)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_abandoned_video_is_valid_under_its_partial_name(tmp_path: Path, suffix: str) -> None:
    info = video_info()
    sink = VideoSink(tmp_path / f"out{suffix}", header(info), fast())
    for item in localizations(info, [n * 3600 for n in range(7)]):
        sink.write(item)
    sink.abandon()
    sink.abandon()
    assert [p.name for p in tmp_path.iterdir()] == [f"out.partial{suffix}"]
    assert len(decoded(tmp_path / f"out.partial{suffix}")[0]) == 7


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_a_video_without_frames_is_no_error(tmp_path: Path, end: str) -> None:
    sink = VideoSink(tmp_path / "out.mp4", header(video_info()))
    sink.close(SUMMARY) if end == "close" else sink.abandon()


KILLED = """
    import sys
    from fractions import Fraction
    from pathlib import Path
    sys.path[:0] = sys.argv[2:]
    from tests.test_sinks_video import VideoSink, fast, header, localizations, video_info
    info = video_info()
    sink = VideoSink(Path(sys.argv[1]), header(info), fast(codec="libx264"))
    for item in localizations(info, [n * 3600 for n in range(500)]):
        sink.write(item)
    sys.stdout.write("written\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_process_leaves_all_but_the_last_seconds(tmp_path: Path, suffix: str) -> None:
    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / f"out{suffix}"), root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        os.kill(child.pid, signal.SIGKILL)
    frames: list[av.VideoFrame] = []
    with av.open(str(tmp_path / f"out.partial{suffix}")) as container, contextlib.suppress(av.error.InvalidDataError):
        frames.extend(container.decode(video=0))
    # Two seconds of an open group of pictures, and what the encoder looks ahead.
    assert len(frames) >= 500 - 50 - 60
    assert not (tmp_path / f"out{suffix}").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_output_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "out.partial.mp4").symlink_to("/dev/full")
    info = video_info()
    sink = VideoSink(tmp_path / "out.mp4", header(info), fast())
    with pytest.raises(OutputError) as caught:
        for item in localizations(info, [n * 3600 for n in range(200)]):
            sink.write(item)
        sink.close(SUMMARY)
    sink.abandon()
    assert str(tmp_path / "out.mp4") in caught.value.what
    assert "No space left" in caught.value.why
    assert "free some space" in caught.value.todo
    assert not (tmp_path / "out.mp4").exists()


LIMITED = """
    import resource, sys
    from pathlib import Path
    sys.path[:0] = sys.argv[2:]
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    from tests.test_sinks_video import SUMMARY, OutputError, VideoSink, fast, header, localizations, np, video_info
    info = video_info()
    sink = VideoSink(Path(sys.argv[1]), header(info), fast(codec="libx264", crf=10))
    noise = np.random.default_rng(0)
    try:
        for item in localizations(info, [n * 3600 for n in range(500)]):
            item.frame.picture.y[:] = noise.integers(0, 40, (120, 160))
            sink.write(item)
    except OutputError as error:
        sink.abandon()
        sys.exit(0 if "free some space" in error.todo else "wrong words")
    sys.exit("no error")
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX limits")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_disk_that_fills_half_way_leaves_what_was_written_under_the_partial_name(tmp_path: Path, suffix: str) -> None:
    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path / f"out{suffix}"), root]
    result = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert [p.name for p in tmp_path.iterdir()] == [f"out.partial{suffix}"]


def test_a_disk_that_fills_at_the_end_leaves_no_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = video_info()
    sink = VideoSink(tmp_path / "out.mp4", header(info), fast())
    sink.write(localizations(info, [0])[0])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="free some space"):
        sink.close(SUMMARY)
    sink.abandon()
    assert not (tmp_path / "out.mp4").exists()


def test_a_folder_in_the_way_or_without_permission_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="folder has this name"):
        VideoSink(tmp_path / "out.mp4", header(video_info()))
    with pytest.raises(OutputError, match="cannot write"):
        VideoSink(tmp_path / "file" / "out.mp4", header(video_info()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_locked_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="folder that you may write to"):
        VideoSink(tmp_path / "locked" / "out.mp4", header(video_info()))


def test_unknown_settings_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'veryfast'[\s\S]*ultrafast, "):
        VideoSink(tmp_path / "out.mp4", header(video_info()), VideoOptions(preset="veryfats"))
    with pytest.raises(ConfigError, match=r"\.mp4, .*\.mkv"):
        VideoSink(tmp_path / "out.wmv", header(video_info()))
    with pytest.raises(ConfigError, match="libsvtav1"):
        VideoSink(tmp_path / "out.webm", header(video_info()), VideoOptions(codec="libx264"))
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_does_not_work_is_replaced_by_x264_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "encoder_works", lambda codec: codec != "h264_nvenc")
    info = video_info()
    sink = written(tmp_path / "out.mp4", info, localizations(info, [0, 3600]), codec="h264_nvenc")
    assert sink.notes == ["video encoder h264_nvenc does not work on this machine: libx264 was used"]
    assert decoded(tmp_path / "out.mp4")[1]["codec"] == "h264"


def test_auto_takes_the_first_encoder_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "HARDWARE", ("h264_nvenc", "h264_qsv"))
    monkeypatch.setattr(encoder, "encoder_works", lambda codec: codec == "h264_qsv")
    assert encoder.choose_encoder("auto", ".mp4") == ("h264_qsv", None)
    monkeypatch.setattr(encoder, "encoder_works", lambda codec: False)
    assert encoder.choose_encoder("auto", ".mp4") == ("libx264", None)


def test_an_encoder_is_tried_by_encoding() -> None:
    assert encoder.encoder_works("libx264")
    assert not encoder.encoder_works("no_such_encoder")


@pytest.mark.parametrize(
    ("codec", "suffix", "name"), [("libx265", ".mp4", "hevc"), ("libsvtav1", ".mkv", "av1"), ("auto", ".webm", "av1")]
)
def test_other_codecs_work(tmp_path: Path, codec: str, suffix: str, name: str) -> None:
    if not encoder.encoder_works(codec if codec != "auto" else "libsvtav1"):
        pytest.skip(f"this PyAV has no {codec}")
    info = video_info()
    written(tmp_path / f"out{suffix}", info, localizations(info, [0, 3600, 7300]), codec=codec)
    frames, facts = decoded(tmp_path / f"out{suffix}")
    assert name in facts["codec"] or facts["codec"] == "libdav1d"
    assert relative(frames) == pytest.approx([0, 0.04, 0.0811], abs=0.002)


def test_the_decoded_picture_is_never_written_to(tmp_path: Path) -> None:
    info = video_info()
    (item,) = localizations(info, [0])
    for plane in (item.frame.picture.y, item.frame.picture.u, item.frame.picture.v):
        plane.setflags(write=False)
    written(tmp_path / "out.mp4", info, [item], style="heatmap")


def test_random_weights_are_written_on_the_picture(tmp_path: Path) -> None:
    info = video_info()
    (item,) = localizations(info, [0])
    pictures = []
    for name, weights in (("a", "KINETICS400_V1"), ("b", "random")):
        sink = VideoSink(tmp_path / f"{name}.mp4", header(info, weights=weights), fast(crf=1))
        sink.write(item)
        sink.close(SUMMARY)
        pictures.append(decoded(tmp_path / f"{name}.mp4")[0][0].to_ndarray()[:120].astype(int))
    assert np.abs(pictures[0] - pictures[1])[:60].max() > 50


def source_planes(frame: av.VideoFrame) -> Picture:
    image = frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
    y, u, v = (np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in image.planes)
    turns = frame.rotation // 90 % 4
    return Picture(*(np.rot90(plane, turns) for plane in (y, u, v)))


@pytest.mark.footage
@pytest.mark.parametrize(
    "name",
    [
        "vfr.mp4",
        "rotated_90_two_audio.mp4",
        "odd_size_444.mp4",
        "non_zero_start_audio.mp4",
        "mpeg1_mp2_audio.mpg",
        "one_frame.mp4",
    ],
)
def test_real_footage_keeps_the_contract(shared: Path, tmp_path: Path, name: str) -> None:
    source, out = shared / "footage" / "odd" / name, tmp_path / "out.mp4"
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        tracks = tuple(Track(s.index, "audio", s.codec_context.name, s) for s in container.streams.audio)
        carried: list[Any] = []
        frames: list[av.VideoFrame] = []
        sink: VideoSink | None = None
        for packet in container.demux():
            if packet.stream.type == "audio":
                carried.append(packet)
                continue
            if packet.stream is not stream:
                continue
            for image in packet.decode():
                view = source_planes(image)
                assert stream.time_base is not None
                if sink is None:
                    info = VideoInfo(
                        name,
                        view.width,
                        view.height,
                        0,
                        stream.time_base,
                        stream.average_rate,
                        None,
                        1.0,
                        tracks=tracks,
                    )
                    sink = VideoSink(out, header(info), fast())
                seconds = float((image.pts - (frames[0].pts if frames else image.pts)) * stream.time_base)
                sink.write(
                    Localization(Frame(len(frames), image.pts, seconds, stream.time_base, view, tuple(carried)), ())
                )
                frames.append(image)
                carried.clear()
        assert sink is not None
        sink.close(SUMMARY)
    check = shared / "check" / "output_contract.py"
    result = subprocess.run(
        [sys.executable, str(check), str(source), str(out), "-"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_timestamps_that_run_backwards_are_kept(tmp_path, shared):
    # Files whose container knows decoding order only: the picture order is right, the stamps are swapped.
    source = shared / "footage" / "actions" / "wave_in_crowd.avi"
    with av.open(str(source), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        base, pictures = (
            stream.time_base,
            [(f.pts, f.to_ndarray(format="yuv420p"), f.width, f.height) for f in container.decode(stream)],
        )
    width, height = pictures[0][2:]
    stamps = [pts for pts, *_ in pictures]
    assert any(b < a for a, b in pairwise(stamps))
    info = VideoInfo(str(source), width, height, 0, base, Fraction(30), None, None)
    sink = VideoSink(tmp_path / "out.mp4", Header(info, "m", "w", None, None, ("a",), "cam", (1, 1), "none", 0.0, {}))
    for index, (pts, planes, w, h) in enumerate(pictures):
        y, chroma = planes[:h], planes[h:].reshape(2, h // 2, w // 2)
        frame = Frame(index, pts, index / 30, base, Picture(y, chroma[0], chroma[1]))
        sink.write(Localization(frame, ()))
    sink.close(SUMMARY)
    assert sink.notes == []
    frames, _ = decoded(tmp_path / "out.mp4")
    assert relative(frames) == pytest.approx([float((pts - stamps[0]) * base) for pts in stamps], abs=1e-3)


def test_the_shape_of_the_pixels_is_kept(tmp_path: Path) -> None:
    info = video_info(pixel_aspect=Fraction(4, 3))
    written(tmp_path / "out.mp4", info, localizations(info, [0, 3600]))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
