"""A video file: complete under its final name, valid under its partial name before, with the source's audio tracks.

Audio is copied if the container holds its codec, else transcoded. A broken track never stops the video.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer

from camreel.errors import OutputError
from camreel.runtime.files import explain, reserve
from camreel.sinks.video.clock import OutputClock
from camreel.sinks.video.encoder import EncoderSettings, PictureEncoder
from camreel.structures import ColorTags, Frame, Picture, Track

TODO = "choose another file, or another video.codec"
"""Advice where a video cannot be written."""


_MP4 = frozenset(("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"))
_PCM = frozenset(("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"))
COPIED_CODECS: dict[str, frozenset[str]] = {
    ".mp4": _MP4,
    ".m4v": frozenset(("aac", "alac", "ac3")),
    ".mov": frozenset(("aac", "mp3", "ac3", "alac")) | _PCM,
    ".mkv": _MP4 | _PCM | {"mp2", "dts", "vorbis", "truehd", "wavpack", "tta"},
    ".webm": frozenset(("opus", "vorbis")),
}
"""Audio codecs that each container is known to hold (some others fail only when the file is closed); none for other
containers."""
LEAD_SECONDS = 0.2
"""Sound before the output's zero that is kept, for decoders that need a start."""
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS))


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


def is_disk_error(error: Exception) -> bool:
    """Return whether an error is about the file, not about the data that was written to it."""
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


class AudioTrack:
    """One audio track that is carried from the source to the output.

    Args:
        track: track of the source.
        output: the container; its header must not be written yet.
        suffix: ending of the output file with its dot.

    Raises:
        ValueError: the track can neither be copied nor transcoded.
        FFmpegError: the same.
    """

    def __init__(self, track: Track, output: OutputContainer, suffix: str) -> None:
        self.note: str | None = None
        """Run note if the track is not copied unchanged."""
        self._track = track
        self._output = output
        self._decoder: Any = None
        self._filter: BitStreamFilterContext | None = None
        self._last: int | None = None
        """Decoding time of the last packet."""
        self._moved = 0
        # The name of the decoder may differ from that of the codec: mp3float decodes mp3.
        self._codec = track.template.codec_context.codec.canonical_name
        if self._codec in COPIED_CODECS.get(suffix, frozenset()):
            self._stream: Any = output.add_stream_from_template(track.template)
            if self._codec == "aac" and not track.template.codec_context.extradata:
                # Transport streams repeat AAC's configuration in every packet; files hold it once.
                self._filter = BitStreamFilterContext("aac_adtstoasc", track.template)
        else:
            self._transcode("libopus" if suffix == ".webm" else "aac", suffix)

    def _transcode(self, codec: str, suffix: str) -> None:
        source = self._track.template.codec_context
        decoder: Any = av.CodecContext.create(source.name, "r")
        decoder.extradata = source.extradata
        decoder.sample_rate, decoder.layout = source.sample_rate, source.layout
        rate = 48000 if codec == "libopus" else min(_AAC_RATES, key=lambda known: abs(known - source.sample_rate))
        channels = 1 if source.layout.nb_channels == 1 else 2
        self._stream = self._output.add_stream(codec, rate=rate)
        self._stream.codec_context.layout = "mono" if channels == 1 else "stereo"
        self._stream.codec_context.bit_rate = 80_000 * channels
        self._decoder = decoder
        became = codec.removeprefix("lib")
        self.note = f"audio track {self._track.index} ({self._codec}) became {became}: {suffix} cannot hold it"

    def write(self, packet: Any, offset: float) -> None:
        """Write a packet of the source.

        Args:
            packet: packet of this track.
            offset: seconds to subtract from the timestamps.
        """
        stamp = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or (stamp is not None and stamp * packet.time_base - offset < -LEAD_SECONDS):
            return
        if self._decoder is None:
            for part in [packet] if self._filter is None else self._filter.filter(packet):
                self._copy(part, offset)
            return
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            self._count("had packets that could not be decoded")
            return
        for frame in frames:
            if frame.pts is not None:
                base = frame.time_base or packet.time_base
                frame.pts -= round(Fraction(offset) / base)
                frame.time_base = base
            self._output.mux(self._stream.encode(frame))

    def _copy(self, packet: Any, offset: float) -> None:
        base = packet.time_base
        shift = round(Fraction(offset) / base)
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None:
            dts = self._last + 1 if self._last is not None else shift
        if self._last is not None and dts <= self._last:
            dts = self._last + 1
            self._count("had time stamps that do not increase, and they were moved")
        self._last = dts
        packet.pts = max(packet.pts if packet.pts is not None else dts, dts) - shift
        packet.dts = dts - shift
        packet.stream = self._stream
        self._output.mux(packet)

    def _count(self, problem: str) -> None:
        self._moved += 1
        self.note = f"audio track {self._track.index} {problem} ({self._moved})"

    def flush(self) -> None:
        """Write the samples that the transcoder still holds."""
        if self._decoder is None:
            return
        for frame in self._decoder.decode(None):
            self._output.mux(self._stream.encode(frame))
        self._output.mux(self._stream.encode(None))
