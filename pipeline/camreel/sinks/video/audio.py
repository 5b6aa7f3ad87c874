"""Audio tracks: copied if the container holds their codec, else transcoded. A broken track never stops the video."""

from __future__ import annotations

import errno
from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer

from camreel.structures import Track

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
