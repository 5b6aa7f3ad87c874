"""A video file that is whole under its name, and valid under its partial name before."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from camreel.errors import OutputError
from camreel.sinks.video.clock import Stamps
from camreel.sinks.video.encoding import Coding, Encoding
from camreel.structures import ColorTags, Frame, Picture

_SPACE, _FOLDER = "free some space, or write to another disk", "choose a folder that you may write to"
_TODO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _SPACE),
    **dict.fromkeys((errno.EACCES, errno.EROFS), _FOLDER),
}


class VideoWriter:
    """Writes pictures into a file, from the first on in such a way that a killed process loses no more than the last seconds.

    Args:
        path: of the file; its suffix chooses the container. Missing folders are made.
        size: (width, height) of the pictures, even.
        coding: how they are encoded.
        clock: gives their time stamps.
        color: the source's colour description.
        pixel_aspect: width of a pixel over its height.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        coding: Coding,
        clock: Stamps,
        color: ColorTags,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        self.path, self.partial = path, partial_name(path)
        self._broken = self._done = False
        with self.faults():
            touch(path)
            self.container: Any = av.open(str(self.partial), "w", options=_muxing(path.suffix.lower()))
            self._stream: Any = self.container.add_stream(coding.encoder, rate=coding.rate)
            self._encoding = Encoding(self._stream.codec_context, size, coding, clock, color, pixel_aspect)

    @property
    def healthy(self) -> bool:
        """Whether more may be written: after a failed header that crashes the process (FFmpeg 8.1), and later it is of no use."""
        return self._encoding.started and not self._broken and not self._done

    def canvas(self, like: Picture) -> Picture:
        """Planes of the next picture, to be filled, in the matrix and range of `like`."""
        return self._encoding.canvas(like)

    def write(self, frame: Frame) -> None:
        """Writes the canvas at the time of `frame`.

        Raises:
            OutputError: it cannot be written.
        """
        with self.faults():
            self._mux(self._encoding.encode(frame))

    def flush(self) -> None:
        """Writes what the encoder still holds: the last before `close`.

        Raises:
            OutputError: it cannot be written.
        """
        with self.faults():
            self._mux(self._encoding.flush())

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.stream = self._stream
            self.container.mux(packet)

    def close(self) -> None:
        """Finishes the file and gives it its final name.

        Raises:
            OutputError: it cannot be finished.
        """
        if self._done:
            return
        self._done = True
        with self.faults():
            self.container.close()
            os.replace(self.partial, self.path)

    def abandon(self) -> None:
        """Makes what was written so far a valid file, under the partial name. Never raises; may follow `close`."""
        with contextlib.suppress(av.FFmpegError, OSError, ValueError):
            if not self._done:
                self._done = True
                self.container.close()

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Turns what the file system and the encoder say into an error for people."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise self.error(error) from error

    def error(self, error: Exception) -> OutputError:
        """The error for people, after which nothing more can be written."""
        self._broken = True
        return explain(error, self.path)


def partial_name(path: Path) -> Path:
    """The name that a video has until it is finished: `clip.partial.mp4`."""
    return path.with_suffix(f".partial{path.suffix}")


def touch(path: Path) -> None:
    """Makes the empty partial file of a video, and missing folders: PyAV would find out only with the first packet.

    Raises:
        OutputError: a folder has its name.
        OSError: it cannot be made.
    """
    if path.is_dir():
        raise OutputError(f"cannot write {path}", "a folder has this name", "choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_name(path).open("wb").close()


def explain(error: Exception, path: Path) -> OutputError:
    """An error of the file system or the encoder, for people."""
    number = error.errno if isinstance(error, OSError) else None
    todo = _TODO.get(number or 0, "choose another file, or another video.codec")
    why = os.strerror(number) if number and 0 < number < 200 else str(error)
    return OutputError(f"cannot write {path}", why, todo)


def _muxing(suffix: str) -> dict[str, str]:
    """Options by which a file that was not closed can be played up to its last key frame."""
    if suffix in (".mkv", ".webm"):
        return {"flush_packets": "1", "cluster_time_limit": "2000"}
    # While it is written a fragmented file, once closed a plain one; delayed, so that edit lists keep sound and picture in time.
    return {"flush_packets": "1", "movflags": "hybrid_fragmented+frag_keyframe+delay_moov"}
