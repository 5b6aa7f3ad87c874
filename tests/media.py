"""Small media files, and the frames and packets of a source in a form to compare."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import cv2  # noqa: F401  # isort: skip  (before av)
import av
import numpy as np
from camreel.interfaces import Source
from camreel.sources import open_source
from camreel.structures import Frame


class Seen(NamedTuple):
    pts: int | None
    time: float
    luma: int
    """Checksum of the luma plane."""


class Reading(NamedTuple):
    info: Any
    frames: list[Seen]
    shapes: set[tuple[tuple[int, ...], ...]]
    packets: list[tuple[int, int, int]]
    notes: list[str]
    corrupt: int


def checksum(plane: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(plane))


def key(packet: av.Packet) -> tuple[int, int, int]:
    return packet.stream_index, packet.dts, packet.size


def read(path: Path | str, **options: Any) -> Reading:
    frames, shapes, packets = [], set(), []
    with open_source(str(path), **options) as source:
        for index, frame in enumerate(source):
            assert frame.index == index
            assert frame.time_base == source.info.time_base
            frames.append(Seen(frame.pts, frame.time, checksum(frame.picture.y)))
            shapes.add((frame.picture.y.shape, frame.picture.u.shape, frame.picture.v.shape))
            packets += [key(packet) for packet in frame.packets]
        return Reading(source.info, frames, shapes, packets, source.notes, source.corrupt)


def plain(path: Path | str) -> list[av.VideoFrame]:
    """Decode all frames with PyAV alone, with its default threading."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return list(container.decode(container.streams.video[0]))


def audio_packets(path: Path, first: float = -1e9, end: float = 1e9) -> list[tuple[int, int, int]]:
    """Demux the audio packets with first <= time < end, in seconds from the start of the video, with PyAV alone."""
    with av.open(str(path), metadata_errors="ignore") as container:
        video = container.streams.video[0]
        zero = (video.start_time or 0) * video.time_base
        packets = [packet for packet in container.demux() if packet.stream.type == "audio" and packet.dts is not None]
        return [key(packet) for packet in packets if first <= float(packet.pts * packet.time_base - zero) < end]


def gray_ramp(count: int, size: tuple[int, int] = (64, 48), fmt: str = "yuv420p") -> Iterator[av.VideoFrame]:
    """Yield frames of which the n-th is flat gray 20 + 8 n."""
    for n in range(count):
        level = np.full((size[1], size[0], 3), (20 + 8 * n) % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(level, format="rgb24").reformat(format=fmt)
        frame.pts = n
        yield frame


def write(
    path: Path,
    frames: Iterable[av.VideoFrame],
    codec: str,
    *,
    container: str | None = None,
    options: dict[str, str] | None = None,
    time_base: Fraction | None = None,
    setup: Callable[[av.VideoStream], None] | None = None,
) -> Path:
    """Encode frames, which carry size, format, pts and color tags."""
    frames = list(frames)
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        context = stream.codec_context
        context.colorspace, context.color_range = frames[0].colorspace, frames[0].color_range
        if time_base:
            context.time_base = time_base
        if setup:
            setup(stream)
        for frame in [*frames, None]:
            if frame and time_base:
                frame.time_base = time_base
            for packet in stream.encode(frame):
                output.mux(packet)
    return path


def mjpeg(path: Path, count: int) -> Path:
    return write(path, gray_ramp(count, fmt="yuvj420p"), "mjpeg")


def spoil(path: Path, damaged: Sequence[int]) -> Path:
    """Overwrite whole packets with zeros."""
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    position = 0
    for n, packet in enumerate(packets):
        position = data.index(packet, position)
        if n in damaged:
            data = data[:position] + bytes(len(packet)) + data[position + len(packet) :]
    path.write_bytes(data)
    return path


def with_audio(path: Path, seconds: int = 4) -> Path:
    graph = f"testsrc2=size=64x48:rate=10:duration={seconds}[out0];sine=frequency=440:duration={seconds}[out1]"
    with av.open(graph, format="lavfi") as made, av.open(str(path), "w") as output:
        video, audio = output.add_stream("libx264", rate=10, options={"g": "10"}), output.add_stream("aac", rate=44100)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for frame in made.decode():
            stream = video if isinstance(frame, av.VideoFrame) else audio
            if stream is video:
                frame = frame.reformat(format="yuv420p")
                frame.pict_type = 0
            output.mux(stream.encode(frame))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    return path


def mjpeg_stream(path: Path, size: tuple[int, int]) -> Path:
    return write(path, gray_ramp(5, size, "yuvj420p"), "mjpeg", container="mjpeg")


def only_frame(path: Path) -> tuple[Frame, Source]:
    with open_source(str(path)) as source:
        (frame,) = source
        return frame, source
