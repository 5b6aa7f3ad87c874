"""The annotated video: every source frame at the source's time, with its sound."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

# OpenCV (through the overlay) before PyAV: the other way round its windows hang.
from pipeline.overlay import Overlay, Style  # isort: skip
import av
import numpy as np

from pipeline.errors import CamreelError, OutputError
from pipeline.sinks.video.audio import AudioTrack, disk_failed
from pipeline.sinks.video.clock import Clock
from pipeline.sinks.video.encoder import choose, options, threads
from pipeline.structures import Header, Localization, Picture, Summary, VideoInfo

GOP = 2.0
"""Seconds between key frames, and so what a killed process loses at most."""

_SPACE, _FOLDER = "free some space, or write to another disk", "choose a folder that you may write to"
_TODO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _SPACE),
    **dict.fromkeys((errno.EACCES, errno.EROFS), _FOLDER),
}
_MATRIX = {"bt601": 6, "bt709": 1, "bt2020": 9}


class VideoSink:
    """Writes an annotated video.

    Args:
        path: of the file; its suffix chooses the container. Missing folders are made.
        header: of the result.
        style: what is drawn; see `Overlay`.
        codec: "auto" or the name of an encoder.
        crf: quality, 0 to 51, lower is better.
        preset: speed of the encoder, by x264's names.
        opacity: of the heat where the evidence is full.
        audio: keep the audio tracks.

    Raises:
        ConfigError: unknown container or preset.
        OutputError: the file cannot be made.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        *,
        style: Style = "heatmap",
        codec: str = "auto",
        crf: int = 23,
        preset: str = "veryfast",
        opacity: float = 0.6,
        audio: bool = True,
    ) -> None:
        self.fallbacks: list[str] = []
        info = header.source
        self._path, self._partial = Path(path), Path(path).with_suffix(f".partial{Path(path).suffix}")
        self._notes: dict[object, str] = {}
        encoder, note = choose(codec, self._path.suffix)
        settings = options(encoder, crf, preset)
        self._note("encoder", note)
        self._overlay = Overlay(
            info.width, info.height, style, opacity=opacity, span=_span(header), random_weights=header.weights.startswith("random")
        )
        self._timeline = self._overlay.timeline()
        self._broken = False
        self._cut = bool(header.config.get("start"))
        self._clock = Clock(info)
        self._open(encoder, settings, info)
        self._tracks = self._audio(info) if audio else {}

    def _open(self, encoder: str, settings: dict[str, str], info: VideoInfo) -> None:
        if self._path.is_dir():
            raise OutputError(f"cannot write {self._path}", "a folder has this name", "choose another name")
        with self._faults():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # PyAV would find out only with the first packet.
            self._partial.open("wb").close()
            self._container = av.open(str(self._partial), "w", options=_muxing(self._path.suffix.lower()))
            rate = info.average_rate or Fraction(30)
            stream = self._container.add_stream(
                encoder, rate=rate, options={**settings, "threads": str(threads(*self._overlay.size))}
            )
            self._stream: Any = stream
        context: Any = self._stream.codec_context
        context.width, context.height = self._overlay.size
        context.pix_fmt = "yuv420p"
        context.sample_aspect_ratio = info.pixel_aspect
        context.time_base = self._clock.time_base
        context.gop_size = max(1, round(GOP * min(float(rate), 240)))
        self._color = info.color
        self._started = self._done = False

    def _audio(self, info: VideoInfo) -> dict[int, AudioTrack]:
        tracks: dict[int, AudioTrack] = {}
        for track in info.tracks:
            if track.kind != "audio":
                continue
            try:
                tracks[track.index] = AudioTrack(track, self._container, self._path.suffix.lower())
            except (av.FFmpegError, ValueError) as error:
                self._note(track.index, f"audio track {track.index} ({track.codec}) was left out: {error}")
        return tracks

    def write(self, localization: Localization) -> None:
        """Draws and writes the next frame, and the sound that came with it.

        Raises:
            OutputError: it cannot be written.
        """
        frame = localization.frame
        if not self._started:
            self._tag(frame.picture)
        self._timeline.add(frame.time, localization.actions)
        width, height = self._overlay.size
        image = av.VideoFrame(width, height, "yuv420p")
        self._overlay.draw(localization, self._timeline, _planes(image, frame.picture))
        image.pts, image.time_base = self._clock.stamp(frame), self._clock.time_base
        image.color_range = 2 if frame.picture.full_range else 1
        if self._clock.offset and not self._cut:
            self._note("start", f"the video begins at 0: the source's clock begins at {self._clock.offset:.3f} s")
        with self._faults():
            self._mux(image)
        for packet in frame.packets:
            self._sound(packet.stream_index, partial(AudioTrack.write, packet=packet, offset=self._clock.offset))

    def _mux(self, image: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(image):
            self._clock.restore(packet)
            self._container.mux(packet)
        if self._clock.moved:
            self._note("clock", f"{self._clock.moved} frames without usable time stamps were placed by their time of arrival")

    def _tag(self, picture: Picture) -> None:
        """The colour description, known in full with the first picture: RGB sources name no YUV matrix."""
        context, tags = self._stream.codec_context, self._color
        context.color_range = 2 if picture.full_range else 1
        context.colorspace = tags.matrix if tags.matrix not in (0, 8) else _MATRIX[picture.matrix]
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        self._started = True

    def _sound(self, index: int, act: Callable[[AudioTrack], None]) -> None:
        """Does something with a track; a track that fails is left out from there on."""
        if (track := self._tracks.get(index)) is None:
            return
        try:
            act(track)
            self._note(index, track.note)
        except (av.FFmpegError, ValueError) as error:
            if disk_failed(error):
                raise self._error(error) from error
            del self._tracks[index]
            self._note(index, f"audio track {index} ends early: {error}")

    def close(self, summary: Summary) -> None:
        """Finishes the file and gives it its final name.

        Raises:
            OutputError: it cannot be finished.
        """
        if self._done:
            return
        with self._faults():
            self._finish()
            os.replace(self._partial, self._path)

    def abandon(self) -> None:
        """Makes what was written so far a valid file, under the partial name."""
        with contextlib.suppress(av.FFmpegError, OSError, ValueError, CamreelError):
            if not self._done:
                self._finish()

    def _finish(self) -> None:
        self._done = True
        try:
            # Writing on after a failed header crashes the process (FFmpeg 8.1), and after a failed write it is of no use.
            if self._started and not self._broken:
                self._mux(None)
                for index in list(self._tracks):
                    self._sound(index, AudioTrack.flush)
        finally:
            self._container.close()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Turns what the file system and the encoder say into an error for people."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> OutputError:
        self._broken = True
        number = error.errno if isinstance(error, OSError) else None
        todo = _TODO.get(number or 0, "choose another file, or another video.codec")
        why = os.strerror(number) if number and 0 < number < 200 else str(error)
        return OutputError(f"cannot write {self._path}", why, todo)

    def _note(self, key: object, sentence: str | None) -> None:
        """Keeps one sentence per subject in `fallbacks`, the latest."""
        if sentence:
            self._notes[key] = sentence
            self.fallbacks[:] = self._notes.values()


def _span(header: Header) -> tuple[float, float] | None:
    """The part of the source that the video shows, in seconds; None: the end is not known."""
    start, end = header.config.get("start") or 0.0, header.config.get("end")
    length = None if header.source.live else header.source.duration
    ends = [float(value) for value in (end, length) if value]
    return (float(start), min(ends)) if ends and min(ends) > start else None


def _muxing(suffix: str) -> dict[str, str]:
    """Options by which a file that was not closed can be played up to its last key frame."""
    if suffix in (".mkv", ".webm"):
        return {"flush_packets": "1", "cluster_time_limit": "2000"}
    # While it is written a fragmented file, once closed a plain one; delayed, so that edit lists keep sound and picture in time.
    return {"flush_packets": "1", "movflags": "hybrid_fragmented+frag_keyframe+delay_moov"}


def _planes(image: av.VideoFrame, like: Picture) -> Picture:
    """An image's own memory as a picture to draw on."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]  # type: ignore[call-overload]
        for plane in image.planes
    )
    return Picture(y, u, v, like.matrix, like.full_range)
