"""What an input is, and what is shown of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from camreel.errors import InputError
from camreel.sources import expand, open_source
from camreel.sources.address import parse, without_credentials


@pytest.mark.parametrize(
    ("text", "kind", "target", "form"),
    [
        ("0", "webcam", "/dev/video0", "v4l2"),
        ("12", "webcam", "/dev/video12", "v4l2"),
        ("webcam:1", "webcam", "/dev/video1", "v4l2"),
        ("/dev/video2", "webcam", "/dev/video2", "v4l2"),
        ("webcam:/dev/v4l/by-id/usb", "webcam", "/dev/v4l/by-id/usb", "v4l2"),
        ("rtsp://host:554/a", "stream", "rtsp://host:554/a", None),
        ("RTMP://host/live/x", "stream", "RTMP://host/live/x", None),
        ("udp://@:1234", "stream", "udp://@:1234", None),
        ("tcp://host:1", "stream", "tcp://host:1", None),
        ("rtp://@:5004", "stream", "rtp://@:5004", None),
        ("https://host/live.m3u8?x=1", "http", "https://host/live.m3u8?x=1", None),
        ("test:", "pattern", "testsrc2=size=640x360:rate=30", "lavfi"),
        ("test:rate=25:size=1280x720:duration=2", "pattern", "testsrc2=size=1280x720:rate=25:duration=2", "lavfi"),
        ("lavfi:smptebars=size=64x48", "pattern", "smptebars=size=64x48", "lavfi"),
        ("-", "pipe", "pipe:0", None),
        ("./0", "file", "file:./0", None),
        ("0.mp4", "file", "file:0.mp4", None),
        ("C:\\clips\\a.mp4", "file", "file:C:\\clips\\a.mp4", None),
        ("a:b.mp4", "file", "file:a:b.mp4", None),
        ("/dev/shm/a.mp4", "file", "file:/dev/shm/a.mp4", None),
    ],
)
def test_what_an_input_is(monkeypatch: pytest.MonkeyPatch, text: str, kind: str, target: str, form: str | None) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    address = parse(text)
    assert (address.kind, address.name, address.target, address.format) == (kind, text, target, form)


@pytest.mark.parametrize(("platform", "form"), [("darwin", "avfoundation"), ("win32", "dshow")])
def test_other_platforms_number_or_name_their_webcams(monkeypatch: pytest.MonkeyPatch, platform: str, form: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert (parse("1").target, parse("1").format) == ("1", form)
    assert (parse("webcam:FaceTime HD").target, parse("webcam:FaceTime HD").format) == ("FaceTime HD", form)


@pytest.mark.parametrize("uri", ["srt://me:hunter2@host:9000", "gopher://me:hunter2@host/v.mp4"])
def test_other_kinds_of_address_are_refused_with_what_is_known(uri: str) -> None:
    with pytest.raises(InputError, match="cannot read from this kind of address") as caught:
        parse(uri)
    assert "rtsp" in caught.value.why and caught.value.todo
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:pa@ss@host:8080/v.mp4?x=1", "https://host:8080/v.mp4?x=1"),
        ("http://host/v.mp4?X-Amz-Signature=abc&t=3&access_token=x", "http://host/v.mp4?X-Amz-Signature=***&t=3&access_token=***"),
        ("clips/me:you@home.mp4", "clips/me:you@home.mp4"),
        ("rtsp://admin:pa/ss?w#d@cam/stream", "rtsp://cam/stream"),
        ("rtsp://cam:554/a@b", "rtsp://cam:554/a@b"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("rtsp://[broken/a", "rtsp://[broken/a"),
        ("rtsp://cam/user=admin_password=tlJwpbo6_channel=1.sdp", "rtsp://cam/user=admin_password=***_channel=1.sdp"),
        ("http://cam/v.cgi?user=me&pwd=secret&loginpas=secret", "http://cam/v.cgi?user=me&pwd=***&loginpas=***"),
    ],
)
def test_credentials_are_stripped(uri: str, shown: str) -> None:
    assert without_credentials(uri) == shown


def test_addresses_expand_to_themselves_and_each_camera_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cameras.txt").write_text("rtsp://b/x\n0\n# not this one\ntest:\n")
    (tmp_path / "0").touch()
    assert expand(["0", "webcam:0", "/dev/video0", "rtsp://a/x", "@cameras.txt", "./0", "rtsp://a/x"]) == [
        "0",
        "rtsp://a/x",
        "rtsp://b/x",
        "test:",
        "./0",
    ]


def test_an_address_that_nobody_can_read_does_not_expand() -> None:
    with pytest.raises(InputError, match="cannot read from this kind of address"):
        expand(["srt://host:9000"])


# --- Patterns


def test_a_pattern_is_read_as_fast_as_its_reader_likes() -> None:
    with open_source("test:size=64x48:rate=10", start=1.0, end=3.0) as source:
        assert (source.info.width, source.info.height, source.info.uri) == (64, 48, "test:size=64x48:rate=10")
        frames = list(source)
    assert [frame.time for frame in frames] == pytest.approx([n / 10 for n in range(10, 30)])
    assert len({frame.picture.y.tobytes() for frame in frames}) > 15
    assert all(frame.captured is None for frame in frames)


@pytest.mark.parametrize("text", ["lavfi:nosuch=1", "test:colour=red", "lavfi:"])
def test_a_pattern_that_is_none_is_named(capfd: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(InputError, match="not a test pattern") as caught:
        open_source(text)
    assert "test:size=1280x720" in caught.value.todo
    assert capfd.readouterr() == ("", "")


def test_a_pattern_without_a_picture_is_no_video() -> None:
    with pytest.raises(InputError, match="there is no video in it"):
        open_source("lavfi:sine")


# --- Webcams


@pytest.mark.skipif(sys.platform != "linux", reason="names a device of Linux")
def test_a_missing_webcam_is_told_with_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    for text in ("63", "webcam:63", "/dev/video63"):
        with pytest.raises(InputError, match="no such webcam") as caught:
            open_source(text)
        assert caught.value.exit_code == 4
        assert "/dev/video63" in caught.value.why
        assert "test:" in caught.value.todo
    assert capfd.readouterr() == ("", "")


def test_a_device_that_is_no_camera_is_told(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(b"no camera")
    with pytest.raises(InputError, match="the webcam cannot be opened"):
        open_source(f"webcam:{path}")
