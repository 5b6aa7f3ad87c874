"""Texts to addresses, and addresses without credentials."""

from __future__ import annotations

import sys

import pytest
from camreel.errors import InputError
from camreel.sources import parse_address
from camreel.sources.address import without_credentials


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
def test_each_text_names_a_kind_of_source(
    monkeypatch: pytest.MonkeyPatch, text: str, kind: str, target: str, form: str | None
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    address = parse_address(text)
    assert (address.kind, address.name, address.target, address.format) == (kind, text, target, form)


@pytest.mark.parametrize(("platform", "form"), [("darwin", "avfoundation"), ("win32", "dshow")])
def test_other_platforms_number_or_name_their_webcams(
    monkeypatch: pytest.MonkeyPatch, platform: str, form: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert (parse_address("1").target, parse_address("1").format) == ("1", form)
    assert (parse_address("webcam:FaceTime HD").target, parse_address("webcam:FaceTime HD").format) == (
        "FaceTime HD",
        form,
    )


@pytest.mark.parametrize("uri", ["srt://me:hunter2@host:9000", "gopher://me:hunter2@host/v.mp4"])
def test_unknown_schemes_are_refused_with_a_list_of_the_known_ones(uri: str) -> None:
    with pytest.raises(InputError, match="cannot read from this kind of address") as caught:
        parse_address(uri)
    assert "rtsp" in caught.value.why and caught.value.todo
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:pa@ss@host:8080/v.mp4?x=1", "https://host:8080/v.mp4?x=1"),
        (
            "http://host/v.mp4?X-Amz-Signature=abc&t=3&access_token=x",
            "http://host/v.mp4?X-Amz-Signature=***&t=3&access_token=***",
        ),
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
