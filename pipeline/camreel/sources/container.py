"""From an address to an open demuxer, or to an error that a person can act on."""

from __future__ import annotations

import errno
import stat
import sys
import time
from pathlib import Path
from typing import Final

import av
from av import FFmpegError
from av.container import InputContainer
from av.device import enumerate_input_devices

from camreel.errors import InputError
from camreel.sources.address import Address
from camreel.sources.decoder import ALMOST

TIMEOUT: Final = 10.0
"""Seconds that a server may stay silent."""

# The frame rate is not probed, which takes 20 frames, nor is a stream waited for that never comes (sound over RTMP).
LIVE: Final = {"fpsprobesize": "0", "analyzeduration": "500000"}
RTSP: Final = LIVE | {"rtsp_flags": "prefer_tcp"}  # over UDP only where the camera refuses TCP
BY_SCHEME: Final = {
    "rtsp": RTSP,
    "rtsps": RTSP,
    "rtmp": LIVE | {"rtmp_live": "live", "rtmp_buffer": "100"},
    "rtmps": LIVE | {"rtmp_live": "live", "rtmp_buffer": "100"},
    "udp": LIVE | {"overrun_nonfatal": "1"},
    "http": LIVE | {"live_start_index": "-1"},
    "https": LIVE | {"live_start_index": "-1"},
}
SEGMENTED: Final = 3.0
"""Times as long as usual a source may stay silent that waits for whole segments."""
ENDLESS: Final = frozenset({"mpjpeg", "hls"})
"""Formats that end only where their length is known."""


class Unreachable(InputError):
    """Nothing is to be had there now; that may change."""


def open_container(address: Address, *, live: bool = False, silence: float = TIMEOUT) -> InputContainer:
    """Opens what an address names.

    Args:
        address: of any kind.
        live: whether it comes as it happens, so that it must be opened quickly.
        silence: seconds that a server may take, now and (see `longest_silence`) for each later packet.

    Raises:
        Unreachable: it does not answer now.
        InputError: there is nothing, or nothing that could be a video.
    """
    if address.kind == "file":
        _check_file(address.name)
    begin = time.monotonic()
    try:
        container = av.open(
            _device(address) if address.kind == "webcam" else address.target,
            format=address.format,
            options=_options(address) if live else {},
            timeout=(silence, longest_silence(address, silence)) if address.remote else None,
            metadata_errors="ignore",
        )
    except (FFmpegError, ValueError) as error:
        raise _explain(error, address, silence, late=time.monotonic() - begin >= silence * ALMOST) from None
    if container.format.name == "tty":  # FFmpeg would play any .txt as ANSI art
        container.close()
        why = "it is a text file"
        raise InputError(f"{address.name}: not a video", why, "name a video, or @FILE to read a list of inputs from it")
    return container


def is_endless(container: InputContainer) -> bool:
    """Whether what comes over http has no known end."""
    return not container.duration and (container.format.name in ENDLESS or container.size <= 0)


def longest_silence(address: Address, silence: float) -> float:
    """Seconds without a picture after which a source is dead, where they are `silence` for most."""
    return silence * SEGMENTED if address.segmented else silence


def can_seek(address: Address) -> bool:
    """Whether going back in the source is worth a try: not in pipes."""
    return address.kind == "http" or (address.kind == "file" and stat.S_ISREG(Path(address.name).stat().st_mode))


def why_lost(error: FFmpegError, silence: float) -> str:
    """Why nothing more comes from what was open.

    Args:
        error: what reading raised.
        silence: seconds that were waited.
    """
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {silence:g} s"
    if isinstance(error, OSError) and error.errno == errno.ENODEV:
        return "the device was unplugged"
    if isinstance(error, OSError) and error.errno == errno.EIO:
        return "the connection broke"
    return (error.strerror or type(error).__name__).lower()


def _options(address: Address) -> dict[str, str]:
    if address.kind == "webcam":
        return {"framerate": "30"} if address.format == "avfoundation" else {}
    return BY_SCHEME.get(address.target.partition("://")[0].lower(), LIVE)


def _device(address: Address) -> str:
    """What the demuxer of a platform calls a webcam."""
    device = address.target
    if address.format == "avfoundation":
        return f"{device}:none"
    if address.format != "dshow":
        return device
    if device.isdigit():
        names = [each.name for each in enumerate_input_devices("dshow") if "video" in each.media_types]
        if int(device) >= len(names):
            raise InputError(
                f"{address.name}: no such webcam", f"there are {len(names)}", "plug it in, or choose another number"
            )
        device = names[int(device)]
    return f"video={device}"


def _check_file(name: str) -> None:
    path = Path(name)
    if path.is_dir():
        raise InputError(f"{name}: is a directory", todo="name a video in it")
    if not path.exists():
        raise InputError(f"{name}: no such file", todo="check the path; quote names that hold spaces")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(
            f"{name}: the file is empty", "the recording or the copy did not finish", "copy or record it again"
        )


def _explain(error: Exception, address: Address, silence: float, *, late: bool) -> InputError:
    reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
    if address.kind == "webcam":
        return _explain_webcam(error, address, reason)
    if address.kind == "pattern":
        todo = "try test: or test:size=1280x720:rate=25, or lavfi: with a filter graph of FFmpeg"
        return InputError(f"{address.name}: not a test pattern", reason, todo)
    if address.kind in ("stream", "http"):
        return _explain_server(error, address, reason, silence, late)
    if isinstance(error, PermissionError):
        return InputError(
            f"{address.name}: no permission to read it", todo="change its permissions or run as its owner"
        )
    if isinstance(error, av.error.InvalidDataError):
        return _explain_invalid(address)
    return InputError(f"{address.name}: cannot be opened", reason)


def _explain_server(error: Exception, address: Address, reason: str, silence: float, late: bool) -> InputError:
    name = address.name
    # A stalled RTSP server looks like invalid data.
    if isinstance(error, av.error.ExitError) or late:
        return Unreachable(
            f"{name}: the server did not answer for {silence:g} s", todo="check the address and the network"
        )
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return InputError(
            f"{name}: the server asks for a user and password", reason, "write them as USER:PASSWORD@ before the host"
        )
    if isinstance(error, av.error.HTTPForbiddenError):
        return InputError(f"{name}: the server refuses access", reason, "ask its owner, or use another account")
    if isinstance(error, av.error.HTTPNotFoundError):
        return InputError(f"{name}: there is no such video on the server", reason, "check the path behind the host")
    if isinstance(error, av.error.HTTPBadRequestError):
        return InputError(f"{name}: the server refuses", reason, "check the address")
    if isinstance(error, av.error.HTTPClientError):  # too many viewers, among others
        return Unreachable(
            f"{name}: the server refuses for now", reason, "check the address; it may allow no further viewer"
        )
    if isinstance(error, av.error.ProtocolNotFoundError):
        return InputError(f"{name}: cannot read from this kind of address", reason, "ask for another address")
    if isinstance(error, av.error.InvalidDataError):
        if address.kind == "http":
            return _explain_invalid(address)
        return Unreachable(
            f"{name}: the server sends no video", "what it says is not understood", "check that it plays elsewhere"
        )
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(
            f"{name}: the connection was refused", "nobody listens there", "check host and port; is it switched on?"
        )
    if isinstance(error, av.error.EOFError):
        return Unreachable(
            f"{name}: the server hung up", "it sent nothing", "check the address; it may allow no further viewer"
        )
    if isinstance(error, OSError) and error.errno == errno.EIO:
        return Unreachable(
            f"{name}: cannot be reached", "its name is not known, or the connection broke", "check host and network"
        )
    return Unreachable(f"{name}: cannot be opened", reason, "check the address and the network")


def _explain_webcam(error: Exception, address: Address, reason: str) -> InputError:
    what = f"{address.name}: the webcam cannot be opened"
    if isinstance(error, ValueError) and not isinstance(error, FFmpegError):
        return InputError(
            what, f"webcams cannot be read on {sys.platform} with this PyAV", "use its network address instead"
        )
    if isinstance(error, FileNotFoundError):
        why = f"there is no {address.target}"
        return InputError(
            f"{address.name}: no such webcam", why, "plug it in, choose another number, or try test: without a camera"
        )
    if isinstance(error, PermissionError):
        return InputError(what, reason, "on Linux: sudo usermod -aG video $USER, then log in again")
    if isinstance(error, OSError) and error.errno == errno.EBUSY:
        return InputError(what, "another program uses it", "close that program")
    if isinstance(error, OSError) and error.errno in (errno.ENODEV, errno.EIO, errno.ENXIO):
        return Unreachable(what, reason, "plug it in again")
    return InputError(what, reason, "check that it is a camera")


def _explain_invalid(address: Address) -> InputError:
    if address.kind == "file" and Path(address.name).is_file():
        with open(address.name, "rb") as file:
            if file.read(8)[4:] == b"ftyp":
                why = "the recording was cut off before its index (moov) was written, or the file is damaged"
                return InputError(
                    f"{address.name}: the video has no readable index", why, "copy it again, or repair it with untrunc"
                )
    why = "no known format, or damaged at its very beginning"
    return InputError(f"{address.name}: not a video", why, "check that it plays elsewhere")
