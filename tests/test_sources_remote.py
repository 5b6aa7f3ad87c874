"""Servers and webcams: passwords, refusals and what is not there."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from camreel.errors import InputError
from camreel.sources import open_source
from camreel.sources.camera import LiveSource
from camreel.sources.container import Unreachable

from tests.cameras import CAMERAS, OVER_TCP, Camera, HlsServer, MjpegServer, RtspServer, consecutive

# --- Passwords and refusals


@pytest.mark.parametrize("digest", [True, False])
def test_a_camera_with_a_password_opens_only_with_it(digest: bool) -> None:
    with RtspServer(user="admin", password="hunter2", digest=digest) as camera:
        assert "hunter2" in camera.url
        with open_source(camera.url) as source:
            assert len(list(islice(source, 3))) == 3
            assert source.info.uri == f"rtsp://127.0.0.1:{camera.port}/stream"
        with pytest.raises(InputError, match="asks for a user and password") as caught:
            open_source(camera.url.replace("hunter2", "swordfish"))
        assert not isinstance(caught.value, Unreachable)
        assert "swordfish" not in str(caught.value) and "USER:PASSWORD@" in caught.value.todo


@pytest.mark.parametrize("kind", [RtspServer, MjpegServer])
@pytest.mark.parametrize(
    ("status", "what", "passing"),
    [
        (401, "asks for a user and password", False),
        (403, "refuses access", False),
        (404, "no such video on the server", False),
        (429, "refuses for now", True),
        (503, "cannot be opened", True),
    ],
)
def test_the_status_of_a_server_is_explained(
    kind: type[Camera], status: int, what: str, passing: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with kind() as camera:
        camera.status = status
        with pytest.raises(InputError, match=what) as caught:
            open_source(camera.url.replace("//", "//admin:hunter2@") + "?token=hunter3")
    assert isinstance(caught.value, Unreachable) == passing
    assert "hunter" not in str(caught.value)
    assert caught.value.exit_code == 4
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("camera", OVER_TCP)
def test_a_refused_connection_is_an_error(camera: str) -> None:
    with CAMERAS[camera]() as server:
        server.refuse()
        with pytest.raises(Unreachable, match="the connection was refused"):
            open_source(server.url)


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        open_source("rtsp://nowhere.invalid/stream")


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_a_server_that_hangs_up_is_an_error(scheme: str) -> None:
    class Rude(Camera):
        def talk(self, connection: Any) -> None:
            connection.recv(10)

    Rude.scheme = scheme
    with Rude() as camera, pytest.raises(Unreachable, match="hung up|sends no video"):
        open_source(camera.url)


# --- Playlists with an end


def test_a_playlist_of_known_length_is_read_like_a_file() -> None:
    with HlsServer(length=3, segment=0.5) as camera:
        with open_source(camera.url) as source:
            assert not isinstance(source, LiveSource)
            assert source.info.duration == pytest.approx(1.5)
            frames = list(source)
        assert len(frames) == 30 and consecutive(frames)
        assert all(frame.captured is None for frame in frames)


# --- Webcams


@pytest.mark.skipif(sys.platform != "linux", reason="names a device of Linux")
def test_a_missing_webcam_is_an_error_with_advice(capfd: pytest.CaptureFixture[str]) -> None:
    for text in ("63", "webcam:63", "/dev/video63"):
        with pytest.raises(InputError, match="no such webcam") as caught:
            open_source(text)
        assert caught.value.exit_code == 4
        assert "/dev/video63" in caught.value.why
        assert "test:" in caught.value.todo
    assert capfd.readouterr() == ("", "")


def test_a_device_that_is_no_camera_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(b"no camera")
    with pytest.raises(InputError, match="the webcam cannot be opened"):
        open_source(f"webcam:{path}")
