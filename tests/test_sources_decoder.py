"""Demuxing and decoding in spite of damage, and the watchdog of live streams, with stubs for PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import av
import pytest
from camreel.sources.decoder import Decoder, Watchdog


class StubVideo:
    """A video stream whose packets decode to their own number."""

    index = 0
    thread_type = ""

    def decode(self, packet: StubPacket | None) -> list[int]:
        return [] if packet is None else [packet.number]


class StubPacket(NamedTuple):
    number: int
    stream_index: int = 0
    dts: int = 0
    is_corrupt: bool = False


class StubContainer:
    """A demuxer that fails now and then, going on behind the damage or not at all."""

    streams = ()

    def __init__(self, script: list[int | Exception]) -> None:
        self.script = script

    def demux(self, *_: object) -> Iterator[StubPacket]:
        while self.script:
            item = self.script.pop(0) if len(self.script) > 1 or isinstance(self.script[0], int) else self.script[0]
            if isinstance(item, Exception):
                raise item
            yield StubPacket(item)


def bad_data() -> Exception:
    return av.error.InvalidDataError(1, "invalid data")


def test_reading_goes_on_behind_a_demuxer_error() -> None:
    decoder = Decoder(StubContainer([1, 2, bad_data(), bad_data(), 3, bad_data(), 4]), StubVideo(), [])  # type: ignore[arg-type]
    assert list(decoder.frames()) == [1, 2, 3, 4]
    assert decoder.corrupt == 2
    assert not decoder.gave_up


def test_a_demuxer_that_always_fails_is_given_up() -> None:
    decoder = Decoder(StubContainer([1, 2, bad_data()]), StubVideo(), [])  # type: ignore[arg-type]
    assert list(decoder.frames()) == [1, 2]
    assert decoder.gave_up
    assert decoder.corrupt == 1


def test_a_lost_connection_is_not_taken_for_damage() -> None:
    lost = av.error.ExitError(1, "Immediate exit requested")
    decoder = Decoder(StubContainer([1, lost]), StubVideo(), [], remote=True)  # type: ignore[arg-type]
    frames = decoder.frames()
    assert next(frames) == 1
    with pytest.raises(av.error.ExitError):
        next(frames)


# --- Live streams


class Sound:
    """A container that still yields sound when no picture comes any more."""

    streams = ()

    def __init__(self, script: list[tuple[float, int]]) -> None:
        self.script = script
        self.now = 0.0

    def demux(self) -> Iterator[Any]:
        for now, stream in self.script:
            self.now = max(now, self.now)
            yield type("Packet", (), {"stream_index": stream, "dts": 0, "is_corrupt": False, "size": 1})()


class Video:
    index = 0
    thread_type = ""
    codec_context = type("Context", (), {"flags": 0})()

    def decode(self, packet: Any) -> list[float]:
        return [packet.opaque] if packet else []


def test_sound_without_pictures_is_a_stall() -> None:
    container = Sound([(0.0, 0), (1.0, 0), *((1 + n / 2, 1) for n in range(100))])
    decoder = Decoder(container, Video(), (), watchdog=Watchdog(lambda: container.now, 5.0))  # type: ignore[arg-type]
    assert list(decoder.frames()) == [0.0, 1.0]
    assert decoder.stalled
    assert container.now == 6.0  # five seconds after the last picture
    assert decoder.packets == []


def test_a_reader_that_is_slow_is_not_a_stall() -> None:
    container = Sound([(float(n), n % 2) for n in range(20)])
    decoder = Decoder(container, Video(), (), watchdog=Watchdog(lambda: container.now, 5.0))  # type: ignore[arg-type]
    seen = 0
    for _ in decoder.frames():
        seen += 1
        container.now += 60
    assert seen == 10
    assert not decoder.stalled
