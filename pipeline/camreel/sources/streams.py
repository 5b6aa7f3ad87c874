"""Which streams of a container are read, carried, or left behind."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from av import VideoFrame, VideoStream
from av.container import InputContainer
from av.stream import Disposition, Stream

from camreel.errors import InputError
from camreel.sources.picture import Conversion, color_tags
from camreel.structures import Track, VideoInfo

STILLS = Disposition.attached_pic | Disposition.timed_thumbnails


def pick_video(container: InputContainer, name: str) -> VideoStream:
    """The first video stream that is not a still beside the sound (cover art).

    Raises:
        InputError: there is none, or nobody can decode it.
    """
    for stream in container.streams.video:
        if not stream.disposition & STILLS:
            if not stream.codec_context:
                raise InputError(f"{name}: its video codec is unknown", todo="convert it to H.264")
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise InputError(f"{name}: there is no video in it", f"it holds {kinds}")


def split_others(container: InputContainer, video: VideoStream) -> tuple[list[Stream], list[str]]:
    """The audio streams, and a note on every stream that cannot be carried."""
    tracks: list[Stream] = []
    notes: list[str] = []
    for stream in container.streams:
        codec = stream.codec_context.name if stream.codec_context else None
        if stream.type == "audio" and codec:
            tracks.append(stream)
        elif stream.index != video.index:
            notes.append(f"{stream.type} stream {stream.index} ({codec or 'unknown codec'}) is not carried over")
    return tracks, notes


def describe(
    name: str,
    container: InputContainer,
    video: VideoStream,
    first: VideoFrame,
    conversion: Conversion,
    tracks: Sequence[Stream] = (),
) -> tuple[VideoInfo, list[str]]:
    """What is known of a video once its first frame is decoded, and notes on what had to be changed.

    Args:
        name: of the source, as shown to people.
        container: where it comes from.
        video: the stream.
        first: its first frame.
        conversion: what makes pictures of its frames.
        tracks: the streams that are carried beside it.
    """
    width, height = conversion.displayed
    aspect = as_fraction(video.sample_aspect_ratio) or Fraction(1)
    turned = f"a rotation of {first.rotation} degrees is rounded to {conversion.rotation}"
    info = VideoInfo(
        uri=name,
        width=width,
        height=height,
        rotation=conversion.rotation,
        time_base=as_fraction(video.time_base) or Fraction(1, 1000),
        average_rate=as_fraction(video.average_rate),
        frames=video.frames or None,
        duration=duration_of(container, video),
        codec=video.codec_context.name,
        pixel_aspect=1 / aspect if conversion.rotation % 180 else aspect,
        color=color_tags(first),
        tracks=tuple(Track(track.index, track.type, track.codec_context.name, track) for track in tracks),
    )
    return info, [turned] if first.rotation % 90 else []


def duration_of(container: InputContainer, video: VideoStream) -> float | None:
    """Seconds as claimed by the stream, else by the container."""
    base = as_fraction(video.time_base)
    if video.duration and base:
        return float(video.duration * base)
    return container.duration / 1e6 if container.duration else None


def as_fraction(value: Any) -> Fraction | None:
    """A rational of PyAV of any version; None where it is unknown."""
    return Fraction(int(value.numerator), int(value.denominator)) if value else None
