"""What is on screen, recorded as it was captured, in parts by time and by size."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path

from camreel.errors import OutputError
from camreel.overlay.layer import copy
from camreel.runtime.files import partial_path
from camreel.sinks.video.clock import Elapsed
from camreel.sinks.video.encoder import choose, encoder_options
from camreel.sinks.video.encoding import Coding, color_tags
from camreel.sinks.video.writer import VideoWriter, explain, touch
from camreel.structures import DisplayFrame


class Recorder:
    """Records screens: `out.mp4`, then `out-2.mp4`, `out-3.mp4` ... where time, size or colour matrix ask for a new part.

    A part begins with a key frame at 0 s and gets its name when it is finished. The first part takes the name that is asked for,
    whatever has it; later ones take names that are free. Unfinished recordings are never written over.

    Args:
        path: of the first part; its suffix chooses the container. Missing folders are made.
        segment: seconds after which a new part begins; None: never.
        rate: pictures per second, as a hint for the encoder.
        codec: "auto" or the name of an encoder.
        crf: quality, 0 to 51, lower is better.
        preset: speed of the encoder, by x264's names.

    Raises:
        ConfigError: unknown container or preset.
        OutputError: the file cannot be made.
    """

    def __init__(
        self,
        path: Path,
        *,
        segment: float | None = None,
        rate: Fraction = Fraction(30),
        codec: str = "auto",
        crf: int = 23,
        preset: str = "veryfast",
    ) -> None:
        self.notes: list[str] = []
        """What was done otherwise than asked for, as sentences for the user."""
        self.files: list[Path] = []
        """What was finished; after `abandon` also what was not, under its partial name."""
        self._path, self._segment, self._number = Path(path), segment, 0
        encoder, note = choose(codec, self._path.suffix)
        self._coding = Coding(encoder, encoder_options(encoder, crf, preset, live=True), rate, timed=True)
        self._writer: VideoWriter | None = None
        self._clock = Elapsed()
        self._kind: tuple[object, ...] = ()
        self._first = self._free()
        if note:
            self.notes.append(note)
        if self._first != self._path:
            self.notes.append(
                f"recording to {self._first}: {partial_path(self._path)} is there, from a run that did not end"
            )
        self._reserve()

    def _reserve(self) -> None:
        """Finds out whether the first part can be written before there is anything to write."""
        try:
            touch(self._first)
            partial_path(self._first).unlink()
        except OSError as error:
            raise explain(error, self._first) from error

    def show(self, screen: DisplayFrame) -> None:
        """Writes the picture at the time when its frame was captured.

        Raises:
            OutputError: it cannot be written.
        """
        picture = screen.picture
        kind = (picture.width, picture.height, picture.matrix, picture.full_range)
        if self._writer is None or kind != self._kind or self._is_full(screen):
            self._begin(screen)
            self._kind = kind
        assert self._writer is not None
        copy(picture, self._writer.canvas(picture))
        self._writer.write(screen.frame)

    def _is_full(self, screen: DisplayFrame) -> bool:
        return self._segment is not None and self._clock.seconds(screen.frame) >= self._segment

    def _begin(self, screen: DisplayFrame) -> None:
        """Finishes the part under way and opens the next."""
        path = self._free() if self.files or self._writer else self._first
        self.close()
        picture, self._clock = screen.picture, Elapsed()
        size = picture.width, picture.height
        self._writer = VideoWriter(path, size, self._coding, self._clock, color_tags(picture))

    def _free(self) -> Path:
        """The next name that may be taken."""
        while True:
            self._number += 1
            path = self._path
            if self._number > 1:
                path = path.with_name(f"{path.stem}-{self._number}{path.suffix}")
            if not partial_path(path).exists() and (self._number == 1 or not os.path.lexists(path)):
                return path

    def close(self) -> None:
        """Finishes the part under way. A picture that comes later begins another.

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
        """After an error: makes what was written so far valid, under the partial name. Never raises; may follow `close`."""
        if (writer := self._writer) is None:
            return
        self._writer = None
        with contextlib.suppress(OutputError):
            if writer.healthy:
                writer.flush()
        writer.abandon()
        self.files.append(writer.partial)
