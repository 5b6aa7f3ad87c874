"""The annotated video: every source frame at the source's time, with its sound."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

# OpenCV (through the overlay) before PyAV: the other way round its windows hang.
from camreel.overlay import Overlay  # isort: skip
import av

from camreel.errors import CamreelError
from camreel.sinks.options import VideoOptions
from camreel.sinks.video.audio import AudioTrack, disk_failed
from camreel.sinks.video.clock import Clock
from camreel.sinks.video.encoder import choose, encoder_options
from camreel.sinks.video.encoding import Coding
from camreel.sinks.video.writer import VideoWriter
from camreel.structures import Header, Localization, Summary, VideoInfo


class VideoSink:
    """Writes an annotated video.

    Args:
        path: of the file; its suffix chooses the container. Missing folders are made.
        header: of the result.
        options: encoder, style and sound.

    Raises:
        ConfigError: unknown container or preset.
        OutputError: the file cannot be made.
    """

    def __init__(self, path: Path, header: Header, options: VideoOptions | None = None) -> None:
        video = options or VideoOptions()
        self.notes: list[str] = []
        info = header.source
        path = Path(path)
        self._notes: dict[object, str] = {}
        encoder, note = choose(video.codec, path.suffix)
        settings = encoder_options(encoder, video.crf, video.preset)
        self._note("encoder", note)
        self._overlay = Overlay(
            info.width,
            info.height,
            video.style,
            opacity=video.opacity,
            span=_span(header),
            random_weights=header.weights.startswith("random"),
        )
        self._timeline = self._overlay.timeline()
        self._cut = bool(header.config.get("start"))
        self._clock = Clock(info)
        coding = Coding(encoder, settings, info.average_rate or Fraction(30))
        self._writer = VideoWriter(path, self._overlay.size, coding, self._clock, info.color, info.pixel_aspect)
        self._tracks = self._audio(info, path.suffix.lower()) if video.audio else {}

    def _audio(self, info: VideoInfo, suffix: str) -> dict[int, AudioTrack]:
        tracks: dict[int, AudioTrack] = {}
        for track in info.tracks:
            if track.kind != "audio":
                continue
            try:
                tracks[track.index] = AudioTrack(track, self._writer.container, suffix)
            except (av.FFmpegError, ValueError) as error:
                self._note(track.index, f"audio track {track.index} ({track.codec}) was left out: {error}")
        return tracks

    def write(self, localization: Localization) -> None:
        """Draws and writes the next frame, and the sound that came with it.

        Raises:
            OutputError: it cannot be written.
        """
        frame = localization.frame
        self._timeline.add(frame.time, localization.actions)
        self._overlay.draw(localization, self._timeline, self._writer.canvas(frame.picture))
        self._writer.write(frame)
        self._note_clock()
        for packet in frame.packets:
            self._sound(packet.stream_index, partial(AudioTrack.write, packet=packet, offset=self._clock.offset))

    def _note_clock(self) -> None:
        if self._clock.offset and not self._cut:
            self._note("start", f"the video begins at 0: the source's clock begins at {self._clock.offset:.3f} s")
        if self._clock.moved:
            self._note(
                "clock", f"{self._clock.moved} frames without usable time stamps were placed by their time of arrival"
            )

    def _sound(self, index: int, act: Callable[[AudioTrack], None]) -> None:
        """Does something with a track; a track that fails is left out from there on."""
        if (track := self._tracks.get(index)) is None:
            return
        try:
            act(track)
            self._note(index, track.note)
        except (av.FFmpegError, ValueError) as error:
            if disk_failed(error):
                raise self._writer.error(error) from error
            del self._tracks[index]
            self._note(index, f"audio track {index} ends early: {error}")

    def close(self, summary: Summary) -> None:
        """Finishes the file and gives it its final name.

        Raises:
            OutputError: it cannot be finished.
        """
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Makes what was written so far a valid file, under the partial name."""
        with contextlib.suppress(av.FFmpegError, OSError, ValueError, CamreelError):
            self._flush()
        self._writer.abandon()

    def _flush(self) -> None:
        if not self._writer.healthy:
            return
        self._writer.flush()
        self._note_clock()
        with self._writer.faults():
            for index in list(self._tracks):
                self._sound(index, AudioTrack.flush)

    def _note(self, key: object, sentence: str | None) -> None:
        """Keeps one sentence per subject in `fallbacks`, the latest."""
        if sentence:
            self._notes[key] = sentence
            self.notes[:] = self._notes.values()


def _span(header: Header) -> tuple[float, float] | None:
    """The part of the source that the video shows, in seconds; None: the end is not known."""
    start, end = header.config.get("start") or 0.0, header.config.get("end")
    length = None if header.source.live else header.source.duration
    ends = [float(value) for value in (end, length) if value]
    return (float(start), min(ends)) if ends and min(ends) > start else None
