"""A video file: complete under its final name, and valid under its partial name before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from camreel.errors import OutputError
from camreel.runtime.files import explain, reserve
from camreel.sinks.video.clock import OutputClock
from camreel.sinks.video.encoder import EncoderSettings, PictureEncoder
from camreel.structures import ColorTags, Frame, Picture

TODO = "choose another file, or another video.codec"
"""Advice where a video cannot be written."""


class VideoWriter:
    """A video file to which pictures are written so that a killed process loses no more than the last seconds.

    Args:
        path: the file; its suffix chooses the container. Missing folders are created.
        size: (width, height) of the pictures, even.
        settings: encoder settings.
        clock: source of the timestamps.
        color: color description of the source.
        pixel_aspect: width of a pixel divided by its height.

    Raises:
        OutputError: the file cannot be created.

    Example:
        >>> writer = VideoWriter(Path("out.mp4"), (640, 360), settings, SourceClock(info), info.color)
        >>> for frame in frames:
        ...     draw(writer.canvas(frame.picture))
        ...     writer.write(frame)
        >>> writer.flush()
        >>> writer.close()
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        settings: EncoderSettings,
        clock: OutputClock,
        color: ColorTags,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        self.path = path
        self._broken = self._done = False
        # PyAV would notice a file that cannot be created only with the first packet.
        self.partial = reserve(path, TODO)
        with self.explained():
            self.container: Any = av.open(str(self.partial), "w", options=_muxer_options(path.suffix.lower()))
            self._stream: Any = self.container.add_stream(settings.encoder, rate=settings.rate)
            self._encoder = PictureEncoder(self._stream.codec_context, size, settings, clock, color, pixel_aspect)

    @property
    def healthy(self) -> bool:
        """Whether more may be written. After a failed header writing crashes the process (FFmpeg 8.1)."""
        return self._encoder.started and not self._broken and not self._done

    def canvas(self, like: Picture) -> Picture:
        """Return the planes of the next picture, to be overwritten with pixels of the matrix and range of `like`."""
        return self._encoder.canvas(like)

    def write(self, frame: Frame) -> None:
        """Write the canvas with the time of `frame`.

        Raises:
            OutputError: it cannot be written.
        """
        with self.explained():
            self._mux(self._encoder.encode(frame))

    def flush(self) -> None:
        """Write the packets that the encoder still holds: the last call before `close`.

        Raises:
            OutputError: they cannot be written.
        """
        with self.explained():
            self._mux(self._encoder.flush())

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.stream = self._stream
            self.container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its final name.

        Raises:
            OutputError: it cannot be finished.
        """
        if self._done:
            return
        self._done = True
        with self.explained():
            self.container.close()
            os.replace(self.partial, self.path)

    def abandon(self) -> None:
        """Make what was written so far a valid file under the partial name. Never raises; may follow `close`."""
        with contextlib.suppress(av.FFmpegError, OSError, ValueError):
            if not self._done:
                self._done = True
                self.container.close()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Convert errors of the file system and of the encoder to `OutputError`."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise self.failed(error) from error

    def failed(self, error: Exception) -> OutputError:
        """Return the `OutputError` for an exception, after which nothing more can be written."""
        self._broken = True
        return explain(error, self.path, TODO)


def _muxer_options(suffix: str) -> dict[str, str]:
    """Return options with which a file that was not closed can be played up to its last key frame."""
    if suffix in (".mkv", ".webm"):
        return {"flush_packets": "1", "cluster_time_limit": "2000"}
    # Fragmented while it is written, plain once it is closed; delayed, so that edit lists keep sound and picture in
    # time.
    return {"flush_packets": "1", "movflags": "hybrid_fragmented+frag_keyframe+delay_moov"}
