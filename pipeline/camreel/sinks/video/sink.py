"""The sink `video`: every source frame at its own time, annotated, with the audio tracks of the source."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

# OpenCV (through the overlay) before PyAV: the other way round its windows hang.
from camreel.overlay.annotate import Overlay  # isort: skip
import av

from camreel.errors import CamreelError
from camreel.sinks.options import VideoOptions
from camreel.sinks.video.clock import SourceClock
from camreel.sinks.video.encoder import EncoderSettings, choose_encoder, encoder_options
from camreel.sinks.video.writer import AudioTrack, VideoWriter, is_disk_error
from camreel.structures import Header, Localization, Summary, VideoInfo


class VideoSink:
    """The annotated video as a file.

    Args:
        path: the file; its suffix chooses the container. Missing folders are created.
        header: header of the result.
        options: encoder, style and audio; None: the defaults.

    Raises:
        ConfigError: unknown container or preset.
        OutputError: the file cannot be created.

    Example:
        >>> sink = VideoSink(Path("out.mp4"), header, VideoOptions(style="contour"))
        >>> for localization in localizations:
        ...     sink.write(localization)
        >>> sink.close(summary)
    """

    def __init__(self, path: Path, header: Header, options: VideoOptions | None = None) -> None:
        options = options or VideoOptions()
        self.notes: list[str] = []
        self._notes: dict[object, str] = {}
        info, suffix = header.source, path.suffix.lower()
        encoder, note = choose_encoder(options.codec, suffix)
        settings = EncoderSettings(
            encoder, encoder_options(encoder, options.crf, options.preset), info.average_rate or Fraction(30)
        )
        self._note("encoder", note)
        self._overlay = Overlay(
            info.width,
            info.height,
            options.style,
            opacity=options.opacity,
            span=_shown_span(header),
            random_weights=header.weights.startswith("random"),
        )
        self._timeline = self._overlay.timeline()
        self._starts_later = bool(header.config.get("start"))
        self._clock = SourceClock(info)
        self._writer = VideoWriter(path, self._overlay.size, settings, self._clock, info.color, info.pixel_aspect)
        self._tracks = self._open_tracks(info, suffix) if options.audio else {}

    def _open_tracks(self, info: VideoInfo, suffix: str) -> dict[int, AudioTrack]:
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
        """Draw and write the next frame, and the audio packets that ride on the frame.

        Raises:
            OutputError: it cannot be written.
        """
        frame = localization.frame
        self._timeline.add(frame.time, localization.actions)
        self._overlay.draw(localization, self._timeline, self._writer.canvas(frame.picture))
        self._writer.write(frame)
        self._note_clock()
        for packet in frame.packets:
            write_packet = partial(AudioTrack.write, packet=packet, offset=self._clock.offset)
            self._with_track(packet.stream_index, write_packet)

    def _note_clock(self) -> None:
        offset, moved = self._clock.offset, self._clock.moved
        if offset and not self._starts_later:
            self._note("start", f"the video begins at 0: the source's clock begins at {offset:.3f} s")
        if moved:
            self._note("clock", f"{moved} frames without usable time stamps were placed by their time of arrival")

    def _with_track(self, index: int, action: Callable[[AudioTrack], None]) -> None:
        """Call a method of an audio track; a track that fails is left out from there on."""
        if (track := self._tracks.get(index)) is None:
            return
        try:
            action(track)
            self._note(index, track.note)
        except (av.FFmpegError, ValueError) as error:
            if is_disk_error(error):
                raise self._writer.failed(error) from error
            del self._tracks[index]
            self._note(index, f"audio track {index} ends early: {error}")

    def close(self, summary: Summary) -> None:
        """Finish the file and give it its final name.

        Raises:
            OutputError: it cannot be finished.
        """
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Make what was written so far a valid file under the partial name. Never raises; may follow `close`."""
        with contextlib.suppress(av.FFmpegError, OSError, ValueError, CamreelError):
            self._flush()
        self._writer.abandon()

    def _flush(self) -> None:
        if not self._writer.healthy:
            return
        self._writer.flush()
        self._note_clock()
        with self._writer.explained():
            for index in list(self._tracks):
                self._with_track(index, AudioTrack.flush)

    def _note(self, subject: object, sentence: str | None) -> None:
        """Keep the latest run note of each subject."""
        if sentence:
            self._notes[subject] = sentence
            self.notes[:] = self._notes.values()


def _shown_span(header: Header) -> tuple[float, float] | None:
    """Return the part of the source that the video shows, in seconds; None: the end is not known."""
    start, end = header.config.get("start") or 0.0, header.config.get("end")
    length = None if header.source.live else header.source.duration
    ends = [float(value) for value in (end, length) if value]
    return (float(start), min(ends)) if ends and min(ends) > start else None
