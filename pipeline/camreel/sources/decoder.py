"""Demuxing and decoding that survives damage."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import av
from av import FFmpegError, Packet, VideoFrame, VideoStream
from av.codec.context import Flags
from av.container import InputContainer
from av.stream import Discard, Stream

Threads: TypeAlias = Literal["AUTO", "SLICE"]
AnyPacket: TypeAlias = "Packet[Stream]"

PATIENCE = 100
"""Failures in a row, with no frame in between, after which the rest of a source is given up."""

IN_FLIGHT = 100
"""More packets than any decoder holds (threads and reordering together)."""
ALMOST = 0.95
"""Of a time-out: FFmpeg's clock is another."""
LOST = (av.error.ExitError, OSError)
"""What a cut or stalled connection raises (ExitError is FFmpeg's time-out); in a local file it is damage like any other."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a live stream is read: each frame knows when its packet came (`VideoFrame.opaque`), and frames must keep coming."""

    clock: Callable[[], float]
    silence: float
    """Seconds without a frame, whatever else comes, after which the stream is taken for dead."""


class Decoder:
    """Frames of one stream, and on the way the packets of the tracks beside it."""

    def __init__(
        self,
        container: InputContainer,
        video: VideoStream,
        tracks: Sequence[Stream],
        *,
        remote: bool = False,
        threads: Threads = "AUTO",
        watch: Watch | None = None,
    ) -> None:
        self.packets: list[AnyPacket] = []
        """Packets of the tracks that nobody has taken yet."""
        self.corrupt = 0
        """Packets that could not be decoded."""
        self.failure: FFmpegError | None = None
        """The last one."""
        self.given = 0
        """Frames since the beginning or the last seek."""
        self._container = container
        self._video = video
        self._tracks = tracks
        self._remote = remote
        self._failures = 0
        self._sent = 0
        self._last_incomplete: int | None = None
        self._drained = True
        self.stalled = False
        """Whether no frame came for the watch's silence."""
        self._watch = watch
        self._latest = watch.clock() if watch else 0.0
        video.thread_type = threads
        self._carried = {track.index for track in tracks}
        if watch:
            video.codec_context.flags |= Flags.low_delay | Flags.copy_opaque
            return  # all packets are looked at: a camera that sends nothing but sound is dead, too
        for stream in container.streams:
            if stream.index not in self._carried | {video.index}:
                stream.discard = Discard.all

    @property
    def gave_up(self) -> bool:
        """Whether the source was too damaged to be read to its end."""
        return self._failures >= PATIENCE

    @property
    def may_lack_its_tail(self) -> bool:
        """Whether frames may have been lost at the end.

        With frame threads an error comes out several packets late. While the decoder is drained, PyAV (18) stops at the first
        one and cannot go on, so that sound frames behind it are lost: mostly in files that were cut off.
        """
        cut = self._last_incomplete is not None and self._sent - self._last_incomplete < IN_FLIGHT
        return cut or not self._drained

    def frames(self) -> Generator[VideoFrame]:
        """Yields every frame that can be decoded, from where the container stands to its end.

        Raises:
            FFmpegError: the connection to a remote source was lost.
        """
        for packet in self._demux():
            if packet.stream_index == self._video.index:
                frames = self._decode(packet)
                yield from frames
                self._check(bool(frames))
            elif packet.dts is not None and packet.stream_index in self._carried:
                self.packets.append(packet)
            else:
                self._check(False)
            if self.gave_up or self.stalled:
                break
        yield from self._decode(None)

    def seek(self, pts: int) -> None:
        """Goes to the keyframe at or before a timestamp; `frames` then begins there.

        Raises:
            FFmpegError: the source cannot seek.
        """
        self._container.seek(pts, stream=self._video)
        self.packets.clear()
        self.given = self._failures = 0
        self._last_incomplete = None
        self._drained = True

    def finish(self, past: Callable[[AnyPacket], bool], hopeless: Callable[[AnyPacket], bool]) -> None:
        """Reads on without decoding, since tracks may lag behind the picture, until each has a packet that is `past`.

        Stops also where a packet of the video is `hopeless`, because a track may have ended long ago.
        """
        waiting = {track.index for track in self._tracks}
        for packet in self._demux() if waiting else ():
            if packet.dts is None:
                continue
            if packet.stream_index == self._video.index:
                if hopeless(packet):
                    return
                continue
            self.packets.append(packet)
            if past(packet):
                waiting.discard(packet.stream_index)
            if not waiting:
                return

    def _demux(self) -> Generator[AnyPacket]:
        stuck = False
        while not self.gave_up:
            try:
                for packet in self._packets():
                    stuck = False
                    self._sent += 1
                    if packet.is_corrupt:
                        self._last_incomplete = self._sent
                    yield packet
                return
            except FFmpegError as error:
                if self._remote and isinstance(error, LOST):
                    raise
                self._fail(error, count=not stuck)
                stuck = True

    def _packets(self) -> Generator[AnyPacket]:
        if self._watch is None:
            yield from self._container.demux(self._video, *self._tracks)
            return
        clock, silence = self._watch.clock, self._watch.silence
        asked = clock()
        for packet in self._container.demux():
            packet.opaque = came = clock()
            if came - asked >= silence * ALMOST:  # the time-out, at which a parser gives what it held
                raise av.error.ExitError(0, "nothing came")
            yield packet
            asked = clock()

    def _decode(self, packet: AnyPacket | None) -> list[VideoFrame]:
        try:
            frames = self._video.decode(packet)
        except av.error.EOFError:  # drained before
            return []
        except FFmpegError as error:
            self._drained = packet is not None and packet.size > 0
            self._fail(error)
            return []
        if frames:
            self._failures = 0
            self.given += len(frames)
        return frames

    def _check(self, came: bool) -> None:
        """Notes whether frames still come."""
        if self._watch:
            now = self._watch.clock()
            self._latest = now if came else self._latest
            self.stalled = now - self._latest >= self._watch.silence

    def _fail(self, error: FFmpegError, count: bool = True) -> None:
        self.corrupt += count
        self._failures += 1
        self.failure = error
