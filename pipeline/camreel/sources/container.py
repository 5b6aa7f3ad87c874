"""Containers: open an address with FFmpeg, choose the streams inside, and describe the video."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av import FFmpegError, VideoFrame, VideoStream
from av.container import InputContainer
from av.stream import Disposition, Stream

from camreel.errors import InputError
from camreel.sources.address import Address
from camreel.sources.decoder import TIMEOUT_SHARE
from camreel.sources.picture import Conversion, color_tags
from camreel.structures import Track, VideoInfo

STILL_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
"""Marks of video streams that are not videos: cover art and thumbnails."""
DEFAULT_TIME_BASE = Fraction(1, 1000)
"""Seconds per timestamp unit of a stream that has none."""

Explain: TypeAlias = Callable[[Exception, Address, bool], InputError]
"""Convert the exception of a failed opening to an error for people; the flag tells whether the timeout had passed."""


class Unreachable(InputError):
    """An input that cannot be reached now, and perhaps later."""


@dataclass(frozen=True, slots=True)
class Media:
    """An address with everything that FFmpeg needs to open it."""

    address: Address
    url: str
    """File name or URL in FFmpeg's form."""
    explain: Explain
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the demuxer and the protocol."""
    timeout: tuple[float, float] | None = None
    """Seconds without data until opening fails, and until reading fails; None: local, reading waits for ever."""
    seekable: bool = False
    """Seeking is worth an attempt."""

    @property
    def remote(self) -> bool:
        """Whether reading may fail at any time because a server or a device went away."""
        return self.timeout is not None


def open_container(media: Media) -> InputContainer:
    """Open the demuxer of an input.

    Raises:
        Unreachable: the input does not answer now.
        InputError: the input does not exist, or cannot be a video.
    """
    begin = time.monotonic()
    try:
        container = av.open(
            media.url,
            format=media.address.format,
            options=dict(media.options),
            timeout=media.timeout,
            metadata_errors="ignore",
        )
    except (FFmpegError, ValueError) as error:
        late = media.timeout is not None and time.monotonic() - begin >= media.timeout[0] * TIMEOUT_SHARE
        raise media.explain(error, media.address, late) from None
    if container.format.name == "tty":  # FFmpeg would play any .txt as ANSI art
        container.close()
        why, todo = "it is a text file", "name a video, or @FILE to read a list of inputs from it"
        raise InputError(f"{media.address.name}: not a video", why, todo)
    return container


def error_reason(error: Exception) -> str:
    """Return the operating system's or FFmpeg's description of an error."""
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


def explain_not_a_video(address: Address) -> InputError:
    """Return the error for data that FFmpeg does not recognize."""
    why = "no known format, or damaged at its very beginning"
    return InputError(f"{address.name}: not a video", why, "check that it plays elsewhere")


def explain_lost(error: FFmpegError, silence: float) -> str:
    """Return the reason for which reading an open input failed.

    Args:
        error: exception that reading raised.
        silence: timeout in seconds.
    """
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {silence:g} s"
    if isinstance(error, OSError) and error.errno == errno.ENODEV:
        return "the device was unplugged"
    if isinstance(error, OSError) and error.errno == errno.EIO:
        return "the connection broke"
    return error_reason(error)


def find_video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the first video stream that is not a still picture beside the sound (cover art).

    Raises:
        InputError: there is none, or its codec is unknown.
    """
    for stream in container.streams.video:
        if not stream.disposition & STILL_PICTURES:
            if not stream.codec_context:
                raise InputError(f"{name}: its video codec is unknown", todo="convert it to H.264")
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise InputError(f"{name}: there is no video in it", f"it holds {kinds}")


def find_audio_streams(container: InputContainer, video: VideoStream) -> tuple[list[Stream], list[str]]:
    """Return the audio streams, and a run note on every other stream, which cannot be carried."""
    tracks: list[Stream] = []
    notes: list[str] = []
    for stream in container.streams:
        codec = stream.codec_context.name if stream.codec_context else None
        if stream.type == "audio" and codec:
            tracks.append(stream)
        elif stream.index != video.index:
            notes.append(f"{stream.type} stream {stream.index} ({codec or 'unknown codec'}) is not carried over")
    return tracks, notes


def describe_video(
    name: str,
    container: InputContainer,
    video: VideoStream,
    first: VideoFrame,
    conversion: Conversion,
    tracks: Sequence[Stream] = (),
) -> tuple[VideoInfo, list[str]]:
    """Return the properties of a video whose first frame is decoded, and run notes on changes that were necessary.

    Args:
        name: the source as shown to people.
        container: demuxer of the video.
        video: stream of the video.
        first: first frame of the video.
        conversion: conversion of its frames to pictures.
        tracks: streams that are carried beside it.
    """
    width, height = conversion.displayed
    aspect = as_fraction(video.sample_aspect_ratio) or Fraction(1)
    turned = f"a rotation of {first.rotation} degrees is rounded to {conversion.rotation}"
    info = VideoInfo(
        uri=name,
        width=width,
        height=height,
        rotation=conversion.rotation,
        time_base=as_fraction(video.time_base) or DEFAULT_TIME_BASE,
        average_rate=as_fraction(video.average_rate),
        frames=video.frames or None,
        duration=_duration(container, video),
        codec=video.codec_context.name,
        pixel_aspect=1 / aspect if conversion.rotation % 180 else aspect,
        color=color_tags(first),
        tracks=tuple(Track(track.index, track.type, track.codec_context.name, track) for track in tracks),
    )
    return info, [turned] if first.rotation % 90 else []


def _duration(container: InputContainer, video: VideoStream) -> float | None:
    """Return the duration in seconds according to the stream, else according to the container."""
    base = as_fraction(video.time_base)
    if video.duration and base:
        return float(video.duration * base)
    return container.duration / 1e6 if container.duration else None


def as_fraction(value: Any) -> Fraction | None:
    """Convert a rational number of any version of PyAV; return None if it is unknown."""
    return Fraction(int(value.numerator), int(value.denominator)) if value else None
