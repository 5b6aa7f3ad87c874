"""Demuxing and decoding of one video stream, in spite of damaged packets."""

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

MAX_FAILURES = 100
"""Consecutive failures, without a frame between them, after which the rest of a source is given up."""
MAX_PACKETS_IN_DECODER = 100
"""More packets than any decoder holds for its threads and for reordering."""
TIMEOUT_SHARE = 0.95
"""Share of a timeout that counts as all of it, because FFmpeg measures it with another clock."""
CONNECTION_ERRORS = (av.error.ExitError, OSError)
"""Exceptions of a cut or stalled connection (ExitError: FFmpeg's timeout). In a local file they are ordinary damage."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Supervision of a live stream: frames are stamped with the arrival of their packet, and must keep coming."""

    clock: Callable[[], float]
    """Return monotonic seconds. `VideoFrame.opaque` holds its value when the packet of the frame arrived."""
    silence: float
    """Seconds without a frame, whatever else arrives, after which the stream counts as dead."""


class Decoder:
    """The frames of one video stream, and the packets of the tracks beside it.

    Args:
        container: demuxer of the source.
        video: stream to decode.
        tracks: streams whose packets are kept in `packets`.
        remote: the source can lose its connection; otherwise every error is damage.
        threads: FFmpeg's threading. AUTO is faster, SLICE delays no frame and loses none at a damaged end.
        watchdog: supervision of a live stream; None: a file.
    """

    def __init__(
        self,
        container: InputContainer,
        video: VideoStream,
        tracks: Sequence[Stream],
        *,
        remote: bool = False,
        threads: Threads = "AUTO",
        watchdog: Watchdog | None = None,
    ) -> None:
        self.packets: list[AnyPacket] = []
        """Packets of the tracks that were not taken yet."""
        self.corrupt = 0
        """Number of packets that could not be decoded."""
        self.failure: FFmpegError | None = None
        """The latest error."""
        self.decoded = 0
        """Number of frames since the beginning or the last seek."""
        self.stalled = False
        """Whether no frame came for the watchdog's silence."""
        self._container = container
        self._video = video
        self._tracks = tracks
        self._remote = remote
        self._failures = 0
        """Consecutive failures."""
        self._sent = 0
        """Packets that left the demuxer."""
        self._last_incomplete: int | None = None
        """Number of the last packet that the demuxer marked as incomplete."""
        self._drained = True
        self._watchdog = watchdog
        self._latest = watchdog.clock() if watchdog else 0.0
        """When the last frame came."""
        video.thread_type = threads
        self._carried = {track.index for track in tracks}
        if watchdog:
            video.codec_context.flags |= Flags.low_delay | Flags.copy_opaque
            return  # all streams are demuxed: a camera that sends nothing but sound is dead, too
        for stream in container.streams:
            if stream.index not in self._carried | {video.index}:
                stream.discard = Discard.all

    @property
    def gave_up(self) -> bool:
        """Whether the source was too damaged to be read to its end."""
        return self._failures >= MAX_FAILURES

    @property
    def may_lack_its_tail(self) -> bool:
        """Whether frames may have been lost at the end.

        With frame threads an error is reported several packets late. While the decoder is drained, PyAV (18) stops at
        the first error and cannot continue, so that intact frames behind it are lost: mostly in files that were cut
        off.
        """
        cut = self._last_incomplete is not None and self._sent - self._last_incomplete < MAX_PACKETS_IN_DECODER
        return cut or not self._drained

    def frames(self) -> Generator[VideoFrame]:
        """Yield every frame that can be decoded, from the container's position to its end.

        Raises:
            FFmpegError: the connection to a remote source was lost.
        """
        for packet in self._demux():
            if packet.stream_index == self._video.index:
                frames = self._decode(packet)
                yield from frames
                self._watch(bool(frames))
            elif packet.dts is not None and packet.stream_index in self._carried:
                self.packets.append(packet)
            else:
                self._watch(False)
            if self.gave_up or self.stalled:
                break
        yield from self._decode(None)

    def seek(self, pts: int) -> None:
        """Move to the keyframe at or before a timestamp, where `frames` then begins.

        Raises:
            FFmpegError: the source cannot seek.
        """
        self._container.seek(pts, stream=self._video)
        self.packets.clear()
        self.decoded = self._failures = 0
        self._last_incomplete = None
        self._drained = True

    def read_tracks(self, reached: Callable[[AnyPacket], bool], beyond: Callable[[AnyPacket], bool]) -> None:
        """Read on without decoding, because tracks may lag behind the picture.

        Args:
            reached: return whether a packet of a track is the first one that is not needed; reading ends when each
                track has one.
            beyond: return whether a packet of the video is so late that a track without packets must have ended long
                ago.
        """
        waiting = {track.index for track in self._tracks}
        for packet in self._demux() if waiting else ():
            if packet.dts is None:
                continue
            if packet.stream_index == self._video.index:
                if beyond(packet):
                    return
                continue
            self.packets.append(packet)
            if reached(packet):
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
                if self._remote and isinstance(error, CONNECTION_ERRORS):
                    raise
                # A demuxer that fails again without a packet in between has met the same damage.
                self._fail(error, count=not stuck)
                stuck = True

    def _packets(self) -> Generator[AnyPacket]:
        if self._watchdog is None:
            yield from self._container.demux(self._video, *self._tracks)
            return
        clock, silence = self._watchdog.clock, self._watchdog.silence
        asked = clock()
        for packet in self._container.demux():
            packet.opaque = arrived = clock()
            if arrived - asked >= silence * TIMEOUT_SHARE:  # at the timeout a parser returns the data that it held
                raise av.error.ExitError(0, "nothing came")
            yield packet
            asked = clock()

    def _decode(self, packet: AnyPacket | None) -> list[VideoFrame]:
        try:
            frames = self._video.decode(packet)
        except av.error.EOFError:  # already drained
            return []
        except FFmpegError as error:
            self._drained = packet is not None and packet.size > 0
            self._fail(error)
            return []
        if frames:
            self._failures = 0
            self.decoded += len(frames)
        return frames

    def _watch(self, frame_came: bool) -> None:
        if self._watchdog:
            now = self._watchdog.clock()
            self._latest = now if frame_came else self._latest
            self.stalled = now - self._latest >= self._watchdog.silence

    def _fail(self, error: FFmpegError, count: bool = True) -> None:
        self.corrupt += count
        self._failures += 1
        self.failure = error
