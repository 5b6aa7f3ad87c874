"""Kinds of sources that may go away at any time: servers (HTTP, RTSP, RTMP, TCP, UDP, RTP) and webcams."""

from __future__ import annotations

import errno
import re
import sys
from functools import partial

import av
from av import FFmpegError
from av.container import InputContainer
from av.device import enumerate_input_devices

from camreel.errors import InputError
from camreel.interfaces import Source
from camreel.sources.address import (
    HTTP_SCHEMES,
    SILENCE_SECONDS,
    STREAM_SCHEMES,
    Address,
    OpenOptions,
    scheme_of,
    without_credentials,
)
from camreel.sources.camera import Connection, LiveSource
from camreel.sources.container import Media, Unreachable, error_reason, explain_not_a_video, open_container
from camreel.sources.file import FileSource

CAPTURE_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
"""FFmpeg's demuxer of webcams by platform."""

# FFmpeg must neither probe the frame rate, which takes 20 frames, nor wait for streams that never come (RTMP sound).
_LIVE = {"fpsprobesize": "0", "analyzeduration": "500000"}
_RTSP = _LIVE | {"rtsp_flags": "prefer_tcp"}  # over UDP only if the camera refuses TCP
_RTMP = _LIVE | {"rtmp_live": "live", "rtmp_buffer": "100"}
_HTTP = _LIVE | {"live_start_index": "-1"}
LIVE_OPTIONS = {
    "rtsp": _RTSP,
    "rtsps": _RTSP,
    "rtmp": _RTMP,
    "rtmps": _RTMP,
    "udp": _LIVE | {"overrun_nonfatal": "1"},
    "http": _HTTP,
    "https": _HTTP,
}
"""FFmpeg's options for opening a live source quickly, by scheme."""
SEGMENT_PATIENCE = 3.0
"""Factor of the timeout for sources whose frames come in whole segments (HLS)."""
ENDLESS_FORMATS = frozenset({"mpjpeg", "hls"})
"""Formats over HTTP that end only if their duration is known."""
_DEVICE = re.compile(r"\d+|webcam:.+|/dev/(?:video|v4l/).+")


def parse_stream(text: str) -> Address | None:
    """Recognize a network camera or a streaming server."""
    return Address(without_credentials(text), text) if scheme_of(text) in STREAM_SCHEMES else None


def open_stream(address: Address, options: OpenOptions) -> LiveSource:
    """Connect to a network camera or a streaming server."""
    return _connect(_server(address, options.silence, options.silence, live=True), options)


def parse_http(text: str) -> Address | None:
    """Recognize the URL of an MJPEG camera, an HLS playlist, or a file on a web server."""
    return Address(without_credentials(text), text) if scheme_of(text) in HTTP_SCHEMES else None


def open_http(address: Address, options: OpenOptions) -> Source:
    """Open a URL of a web server: as a live source if it has no known end, else as a file."""
    factor = SEGMENT_PATIENCE if ".m3u8" in address.target.lower() else 1.0
    media = _server(address, options.silence, options.silence * factor, live=True)
    container = open_container(media)
    if _is_endless(container):
        return _take_over(media, container, options)
    container.close()
    return FileSource(_server(address, SILENCE_SECONDS, SILENCE_SECONDS * factor, live=False), options)


def parse_webcam(text: str) -> Address | None:
    """Recognize a webcam: a number, a device of Linux, or `webcam:` with a number or a name (a file 0 is ./0)."""
    if not _DEVICE.fullmatch(text):
        return None
    device = text.removeprefix("webcam:")
    if sys.platform == "linux" and device.isdigit():
        device = f"/dev/video{device}"
    return Address(text, device, CAPTURE_FORMATS.get(sys.platform, "v4l2"))


def open_webcam(address: Address, options: OpenOptions) -> LiveSource:
    """Start a webcam."""
    rate = {"framerate": "30"} if address.format == "avfoundation" else {}
    media = Media(address, _device_url(address), _explain_webcam, rate, (options.silence, options.silence))
    return _connect(media, options, has_clock=False)


def _server(address: Address, opening: float, reading: float, *, live: bool) -> Media:
    """Return the media of a server.

    Args:
        address: a URL.
        opening: seconds that the server may stay silent until it answers.
        reading: seconds that it may stay silent later.
        live: open it quickly, because it sends frames as they are captured.
    """
    scheme = scheme_of(address.target) or ""
    options = LIVE_OPTIONS.get(scheme, _LIVE) if live else {}
    is_http = scheme in HTTP_SCHEMES
    explain = partial(_explain_server, silence=opening, is_http=is_http)
    return Media(address, address.target, explain, options, (opening, reading), seekable=is_http)


def _connect(media: Media, options: OpenOptions, *, has_clock: bool = True) -> LiveSource:
    return _take_over(media, open_container(media), options, has_clock=has_clock)


def _take_over(media: Media, container: InputContainer, options: OpenOptions, *, has_clock: bool = True) -> LiveSource:
    assert media.timeout is not None
    silence = media.timeout[1]
    connection = Connection(media.address.name, container, silence=silence, clock=options.clock, has_clock=has_clock)
    return LiveSource(connection, start=options.start, end=options.end)


def _is_endless(container: InputContainer) -> bool:
    """Return whether an answer over HTTP has no known end."""
    return not container.duration and (container.format.name in ENDLESS_FORMATS or container.size <= 0)


def _device_url(address: Address) -> str:
    """Return a webcam's name in the form of the platform's demuxer."""
    device = address.target
    if address.format == "avfoundation":
        return f"{device}:none"
    if address.format != "dshow":
        return device
    return f"video={_directshow_name(address) if device.isdigit() else device}"


def _directshow_name(address: Address) -> str:
    try:
        names = [each.name for each in enumerate_input_devices("dshow") if "video" in each.media_types]
    except (FFmpegError, ValueError) as error:
        raise _explain_webcam(error, address, False) from None
    if int(address.target) >= len(names):
        todo = "plug it in, or choose another number"
        raise InputError(f"{address.name}: no such webcam", f"there are {len(names)}", todo)
    return names[int(address.target)]


def _explain_server(error: Exception, address: Address, late: bool, *, silence: float, is_http: bool) -> InputError:
    name = address.name
    # A stalled RTSP server looks like invalid data.
    if isinstance(error, av.error.ExitError) or late:
        todo = "check the address and the network"
        return Unreachable(f"{name}: the server did not answer for {silence:g} s", todo=todo)
    if isinstance(error, av.error.HTTPClientError):
        return _explain_refusal(error, name)
    if isinstance(error, av.error.ProtocolNotFoundError):
        what = f"{name}: cannot read from this kind of address"
        return InputError(what, error_reason(error), "ask for another address")
    if isinstance(error, av.error.InvalidDataError):
        if is_http:
            return explain_not_a_video(address)
        why = "its answer is not understood"
        return Unreachable(f"{name}: the server sends no video", why, "check that it plays elsewhere")
    if isinstance(error, ConnectionRefusedError):
        why, todo = "no server listens there", "check host and port; is it switched on?"
        return Unreachable(f"{name}: the connection was refused", why, todo)
    if isinstance(error, av.error.EOFError):
        todo = "check the address; it may allow no further viewer"
        return Unreachable(f"{name}: the server hung up", "it sent nothing", todo)
    if isinstance(error, OSError) and error.errno == errno.EIO:
        why = "its name is not known, or the connection broke"
        return Unreachable(f"{name}: cannot be reached", why, "check host and network")
    return Unreachable(f"{name}: cannot be opened", error_reason(error), "check the address and the network")


def _explain_refusal(error: Exception, name: str) -> InputError:
    """Return the error for an answer with a status from 400 to 499."""
    reason = error_reason(error)
    if isinstance(error, av.error.HTTPUnauthorizedError):
        todo = "write them as USER:PASSWORD@ before the host"
        return InputError(f"{name}: the server asks for a user and password", reason, todo)
    if isinstance(error, av.error.HTTPForbiddenError):
        return InputError(f"{name}: the server refuses access", reason, "ask its owner, or use another account")
    if isinstance(error, av.error.HTTPNotFoundError):
        return InputError(f"{name}: there is no such video on the server", reason, "check the path behind the host")
    if isinstance(error, av.error.HTTPBadRequestError):
        return InputError(f"{name}: the server refuses", reason, "check the address")
    # Too many viewers, among others.
    todo = "check the address; it may allow no further viewer"
    return Unreachable(f"{name}: the server refuses for now", reason, todo)


def _explain_webcam(error: Exception, address: Address, late: bool) -> InputError:
    what, reason = f"{address.name}: the webcam cannot be opened", error_reason(error)
    if isinstance(error, ValueError) and not isinstance(error, FFmpegError):
        why = f"webcams cannot be read on {sys.platform} with this PyAV"
        return InputError(what, why, "use its network address instead")
    if isinstance(error, FileNotFoundError):
        todo = "plug it in, choose another number, or try test: without a camera"
        return InputError(f"{address.name}: no such webcam", f"there is no {address.target}", todo)
    if isinstance(error, PermissionError):
        return InputError(what, reason, "on Linux: sudo usermod -aG video $USER, then log in again")
    if isinstance(error, OSError) and error.errno == errno.EBUSY:
        return InputError(what, "another program uses it", "close that program")
    if isinstance(error, OSError) and error.errno in (errno.ENODEV, errno.EIO, errno.ENXIO):
        return Unreachable(what, reason, "plug it in again")
    return InputError(what, reason, "check that it is a camera")
