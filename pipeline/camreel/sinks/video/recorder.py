"""Recordings of live pictures, each at its time of capture, in parts by time and by picture size."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path

# OpenCV (through the overlay) before PyAV: the other way round its windows hang.
from camreel.overlay.layer import copy_picture  # isort: skip

from camreel.errors import OutputError
from camreel.runtime.files import partial_path, reserve
from camreel.sinks.options import VideoOptions
from camreel.sinks.video.clock import LiveClock
from camreel.sinks.video.encoder import EncoderSettings, choose_encoder, color_tags, encoder_options
from camreel.sinks.video.writer import TODO, VideoWriter
from camreel.structures import DisplayFrame


class Recorder:
    """A display sink that records pictures: `out.mp4`, then `out-2.mp4`, `out-3.mp4` and so on.

    A new part begins after `segment` seconds and when the size or color of the pictures changes. Each part begins with
    a key frame at 0 s and gets its final name when it is finished. The first part takes the requested name, even if a
    file has it; later parts take free names. Unfinished recordings are never replaced.

    Args:
        path: file of the first part; its suffix chooses the container. Missing folders are created.
        options: encoder, quality and speed; None: the defaults.
        segment: seconds after which a new part begins; None: never.
        rate: pictures per second, as a hint for the encoder.

    Raises:
        ConfigError: unknown container or preset.
        OutputError: the file cannot be created.

    Example:
        >>> recorder = Recorder(Path("out.mp4"), segment=600.0)
        >>> recorder.show(shown)
        >>> recorder.close()
        >>> recorder.files
        [PosixPath('out.mp4')]
    """

    def __init__(
        self,
        path: Path,
        options: VideoOptions | None = None,
        *,
        segment: float | None = None,
        rate: Fraction = Fraction(30),
    ) -> None:
        options = options or VideoOptions()
        self.notes: list[str] = []
        self.files: list[Path] = []
        """Finished parts; after `abandon` also the unfinished one, under its partial name."""
        self._path, self._segment, self._number = Path(path), segment, 0
        encoder, note = choose_encoder(options.codec, self._path.suffix)
        live_options = encoder_options(encoder, options.crf, options.preset, live=True)
        self._settings = EncoderSettings(encoder, live_options, rate, timed=True)
        self._writer: VideoWriter | None = None
        self._clock = LiveClock()
        self._format: tuple[object, ...] = ()
        self._first = self._free_path()
        if note:
            self.notes.append(note)
        if self._first != self._path:
            self.notes.append(
                f"recording to {self._first}: {partial_path(self._path)} is there, from a run that did not end"
            )
        # Only a test whether the file can be written, before there is anything to write.
        reserve(self._first, TODO).unlink(missing_ok=True)

    def show(self, shown: DisplayFrame) -> None:
        """Write the picture with the time when its frame was captured.

        Raises:
            OutputError: it cannot be written.
        """
        picture = shown.picture
        picture_format = picture.width, picture.height, picture.matrix, picture.full_range
        if self._writer is None or picture_format != self._format or self._is_full(shown):
            self._writer = self._begin(shown)
            self._format = picture_format
        copy_picture(picture, self._writer.canvas(picture))
        self._writer.write(shown.frame)

    def _is_full(self, shown: DisplayFrame) -> bool:
        return self._segment is not None and self._clock.seconds(shown.frame) >= self._segment

    def _begin(self, shown: DisplayFrame) -> VideoWriter:
        """Finish the current part and open the next one."""
        path = self._free_path() if self.files or self._writer else self._first
        self.close()
        picture, self._clock = shown.picture, LiveClock()
        return VideoWriter(path, (picture.width, picture.height), self._settings, self._clock, color_tags(picture))

    def _free_path(self) -> Path:
        """Return the next name that may be used."""
        while True:
            self._number += 1
            path = self._path
            if self._number > 1:
                path = path.with_name(f"{path.stem}-{self._number}{path.suffix}")
            if not partial_path(path).exists() and (self._number == 1 or not os.path.lexists(path)):
                return path

    def close(self) -> None:
        """Finish the current part. The next picture begins a new one.

        Raises:
            OutputError: it cannot be finished.
        """
        if (writer := self._writer) is None:
            return
        writer.flush()
        writer.close()
        self._writer = None
        self.files.append(writer.path)

    def abandon(self) -> None:
        """Make what was written so far a valid file under the partial name. Never raises; may follow `close`."""
        if (writer := self._writer) is None:
            return
        self._writer = None
        with contextlib.suppress(OutputError):
            if writer.healthy:
                writer.flush()
        writer.abandon()
        self.files.append(writer.partial)
