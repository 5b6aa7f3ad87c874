"""Files, and sources that are read like files: sections, damage, errors, HTTP, test patterns, closing."""

from __future__ import annotations

import gc
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition
from camreel.errors import InputError
from camreel.sources import open_source
from camreel.sources.decoder import MAX_FAILURES

from tests.media import audio_packets, gray_ramp, mjpeg, read, spoil, with_audio, write

# --- Time and sections


def test_variable_frame_rate_and_a_late_start_are_kept(tmp_path: Path) -> None:
    stamps = [5000, 5040, 5041, 5300, 9000, 9001]
    frames = list(gray_ramp(6))
    for frame, pts in zip(frames, stamps, strict=True):
        frame.pts = pts
    reading = read(write(tmp_path / "a.mkv", frames, "ffv1", time_base=Fraction(1, 1000)))
    assert [frame.pts for frame in reading.frames] == stamps
    assert [frame.time for frame in reading.frames] == pytest.approx([(pts - 5000) / 1000 for pts in stamps], abs=1e-12)


def test_frames_without_pts_come_at_the_average_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h264", gray_ramp(10), "libx264", container="h264")
    reading = read(path)
    assert [frame.pts for frame in reading.frames] == [None] * 10
    assert reading.info.duration is None and reading.info.frames is None
    assert [frame.time for frame in reading.frames] == pytest.approx([n / 25 for n in range(10)])
    assert read(path, start=0.2, end=0.32).frames == reading.frames[5:8]


def test_a_section_of_mpeg_that_seeks_badly_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", gray_ramp(60), "libx264", options={"g": "25", "bf": "2"})
    full = read(path).frames
    assert len(full) == 60
    for start in (0.05, 2.4, 2.51, 5.0):
        assert read(path, start=start).frames == [frame for frame in full if frame.time >= start]


@pytest.mark.parametrize(("start", "end"), [(99.0, None), (2.0, 1.0), (1.01, 1.09)])
def test_an_empty_section_is_an_error(tmp_path: Path, start: float, end: float | None) -> None:
    path = with_audio(tmp_path / "a.mp4")
    with open_source(str(path), start=start, end=end) as source, pytest.raises(InputError, match="no frame between"):
        list(source)


def test_a_section_takes_the_audio_of_its_own_time_only(tmp_path: Path) -> None:
    path = with_audio(tmp_path / "a.mkv")
    section = read(path, start=1.25, end=2.5)
    assert section.frames[0].time == pytest.approx(1.3)
    assert section.packets == audio_packets(path, 1.3, 2.5)
    assert len(section.packets) == pytest.approx(1.2 * 44100 / 1024, abs=2)


def test_audio_is_left_out_on_demand(tmp_path: Path) -> None:
    reading = read(with_audio(tmp_path / "a.mp4"), audio=False)
    assert (reading.packets, reading.info.tracks, reading.notes) == ([], (), [])
    assert len(reading.frames) == 40


# --- Damage


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = spoil(mjpeg(tmp_path / "a.avi", 20), (0, 7, 8, 19))
    reading = read(path)
    assert [frame.pts for frame in reading.frames] == [n for n in range(20) if n not in (0, 7, 8, 19)]
    assert reading.corrupt == 4
    assert reading.notes == ["4 damaged packets were skipped"]
    assert capfd.readouterr() == ("", "")


def test_a_hundred_failures_in_a_row_end_the_source(tmp_path: Path) -> None:
    count = MAX_FAILURES + 20
    reading = read(spoil(mjpeg(tmp_path / "a.avi", count), range(5, count - 1)))
    assert len(reading.frames) == 5
    assert reading.corrupt == MAX_FAILURES
    assert any("failures in a row" in note for note in reading.notes)


def test_fewer_failures_than_that_are_survived(tmp_path: Path) -> None:
    count = MAX_FAILURES + 5
    reading = read(spoil(mjpeg(tmp_path / "a.avi", count), range(3, MAX_FAILURES + 2)))
    assert [frame.pts for frame in reading.frames] == [0, 1, 2, *range(MAX_FAILURES + 2, count)]


def test_a_file_without_a_single_good_frame_is_an_error(tmp_path: Path) -> None:
    path = spoil(mjpeg(tmp_path / "a.avi", 5), range(5))
    with pytest.raises(InputError, match="not a single frame can be decoded"), open_source(str(path)) as source:
        list(source)


@pytest.mark.parametrize(("suffix", "share"), [("mp4", 0.5), ("mkv", 0.5), ("ts", 0.5), ("mp4", 0.9), ("mkv", 0.31)])
def test_a_cut_tail_is_never_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    path = tmp_path / f"a.{suffix}"
    graph = "testsrc2=size=160x120:rate=10:duration=6"
    with av.open(graph, format="lavfi") as made, av.open(str(path), "w", options=options) as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for frame in made.decode(video=0):
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    reading = read(path)
    assert share * 60 * 0.6 < len(reading.frames) < 60
    assert suffix != "mp4" or any("cut off" in note for note in reading.notes)
    assert [frame.pts for frame in reading.frames] == [frame.pts for frame in plain_until_the_end(path)]
    section = read(path, start=1.05)
    expected = [frame for frame in reading.frames if frame.time >= 1.05]
    assert [frame.pts for frame in section.frames] == [frame.pts for frame in expected]
    # What the decoder invents for the missing half of the last picture is not the same every time.
    assert section.frames[:-1] == expected[:-1]


def plain_until_the_end(path: Path) -> list[av.VideoFrame]:
    frames = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                frames += packet.decode()
            except av.FFmpegError:
                continue
    return frames


# --- What cannot be opened


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere/a b\.mp4: no such file"):
        open_source("nowhere/a b.mp4")


def test_a_directory_is_not_a_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("name", ["notes.txt", "a.mp4", "a.srt"])
def test_text_is_not_a_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("These are words, not pictures.\n" * 200)
    with pytest.raises(InputError, match="not a video"):
        open_source(str(tmp_path / name))


def test_sound_with_a_cover_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as output, av.open("sine=duration=1", format="lavfi") as made:
        cover, audio = output.add_stream("mjpeg"), output.add_stream("aac", rate=44100)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 64, 48, "yuvj420p", Disposition.attached_pic
        output.mux(cover.encode(next(gray_ramp(1, fmt="yuvj420p"))))
        output.mux(cover.encode(None))
        for frame in made.decode(audio=0):
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    with pytest.raises(InputError, match="there is no video in it") as caught:
        open_source(str(path))
    assert caught.value.why == "it holds audio, video"


def test_no_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mjpeg(tmp_path / "a.avi", 1)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def refuse(*_: object, **__: object) -> None:
            raise av.error.PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(InputError, match="no permission to read it"):
        open_source(str(path))


@pytest.mark.parametrize("name", ["2024-01-01T10:00.avi", "100%d [x] ü.avi", "-.avi"])
def test_unusual_file_names_are_ordinary_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    mjpeg(Path("plain.avi"), 3).rename(name)
    reading = read(name)
    assert reading.info.uri == name
    assert len(reading.frames) == 3


def test_standard_input_is_read_quietly(tmp_path: Path) -> None:
    path = spoil(mjpeg(tmp_path / "a.avi", 12), (4,))
    code = "from camreel.sources import open_source\nprint([f.pts for f in open_source('-', start=0.2)])"
    with path.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[2, 3, 5, 6, 7, 8, 9, 10, 11]\n", "")


# --- Files over HTTP


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `cut/` promises whole files and gives half of each."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self.path.startswith("/cut/"):
            return super().do_GET()
        data = (Path(self.directory) / self.path.removeprefix("/cut/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    def handler(*args: Any) -> Handler:
        return Handler(*args, directory=str(tmp_path))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"user:hunter2@127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_an_address_is_read_like_a_file_and_its_password_stays_inside(tmp_path: Path, server: str) -> None:
    path = with_audio(tmp_path / "a.mkv")
    for start in (None, 2.05):  # this server cannot seek
        reading = read(f"http://{server}/a.mkv", start=start)
        assert reading.frames == read(path, start=start).frames
        assert reading.info.uri == f"http://{server.removeprefix('user:hunter2@')}/a.mkv"


def test_errors_of_addresses_hide_the_password(server: str) -> None:
    with pytest.raises(InputError) as caught:
        open_source(f"http://{server}/nothing.mp4?token=hunter2")
    assert "hunter2" not in str(caught.value)
    assert "not found" in str(caught.value)


def test_a_cut_connection_is_an_error(tmp_path: Path, server: str) -> None:
    write(tmp_path / "a.ts", gray_ramp(200, (320, 240)), "mpeg2video", options={"qmax": "2", "b": "8000000"})
    with open_source(f"http://{server}/cut/a.ts") as source, pytest.raises(InputError, match="connection was lost"):
        list(source)


# --- Closing


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_close_may_come_at_any_time_and_twice(tmp_path: Path) -> None:
    path = str(with_audio(tmp_path / "a.mp4"))
    never, midway, done = open_source(path), open_source(path), open_source(path)
    next(iter(midway))
    assert len(list(done)) == 40
    for source in (never, midway, done):
        source.close()
        source.close()
        assert list(source) == []


def test_a_second_iterator_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    with open_source(str(mjpeg(tmp_path / "a.avi", 6))) as source:
        assert [frame.index for frame, _ in zip(source, range(2), strict=False)] == [0, 1]
        assert [frame.index for frame in source][-1] == 5


def test_closing_in_the_loop_ends_it(tmp_path: Path) -> None:
    seen = 0
    with open_source(str(mjpeg(tmp_path / "a.avi", 6))) as source:
        for frame in source:
            seen += 1
            if frame.index == 2:
                source.close()
    assert seen == 3


def test_track_templates_live_until_the_source_is_closed(tmp_path: Path) -> None:
    with open_source(str(with_audio(tmp_path / "a.mp4"))) as source:
        packets = [packet for frame in source for packet in frame.packets]
        with av.open(str(tmp_path / "copy.m4a"), "w", format="mp4") as output:
            copy = output.add_stream_from_template(source.info.tracks[0].template)
            for packet in packets:
                packet.stream = copy
                output.mux(packet)
    with av.open(str(tmp_path / "copy.m4a")) as container:
        assert sum(packet.dts is not None for packet in container.demux(audio=0)) == len(packets)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_no_file_and_no_thread_is_leaked(tmp_path: Path) -> None:
    path = str(with_audio(tmp_path / "a.mp4"))
    broken = str(spoil(mjpeg(tmp_path / "b.avi", 3), range(3)))
    infos = []
    gc.collect()
    before = open_files(), len(os.listdir("/proc/self/task"))
    for n in range(30):
        source = open_source(path, start=1.0 if n % 3 == 0 else None)
        if n % 2:
            next(iter(source))
        infos.append(source.info)  # as a summary would keep it
        source.close()
        with pytest.raises(InputError):
            open_source(broken)
    del source
    gc.collect()
    assert (open_files(), len(os.listdir("/proc/self/task"))) == before


# --- Test patterns


def test_a_pattern_is_read_as_fast_as_possible() -> None:
    with open_source("test:size=64x48:rate=10", start=1.0, end=3.0) as source:
        assert (source.info.width, source.info.height, source.info.uri) == (64, 48, "test:size=64x48:rate=10")
        frames = list(source)
    assert [frame.time for frame in frames] == pytest.approx([n / 10 for n in range(10, 30)])
    assert len({frame.picture.y.tobytes() for frame in frames}) > 15
    assert all(frame.captured is None for frame in frames)


@pytest.mark.parametrize("text", ["lavfi:nosuch=1", "test:colour=red", "lavfi:"])
def test_an_invalid_pattern_is_an_error(capfd: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(InputError, match="not a test pattern") as caught:
        open_source(text)
    assert "test:size=1280x720" in caught.value.todo
    assert capfd.readouterr() == ("", "")


def test_a_pattern_without_a_picture_is_no_video() -> None:
    with pytest.raises(InputError, match="there is no video in it"):
        open_source("lavfi:sine")
