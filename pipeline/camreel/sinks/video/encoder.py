"""Video encoding for files and live streams: choice of the encoder, its options, and the encoding of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

from camreel.errors import ConfigError, nearest
from camreel.runtime.hardware import cpu_count
from camreel.sinks import SINKS, check_suffix
from camreel.sinks.video.clock import OutputClock
from camreel.structures import ColorTags, Frame, Picture

HARDWARE = ("h264_nvenc", "h264_qsv", "h264_amf", "h264_videotoolbox")
"""H.264 encoders of graphics hardware, in the order in which they are tried."""
SOFTWARE = "libx264"
ONLY_CODEC = {".webm": "libsvtav1"}
"""Containers that hold only one of the encoders' formats."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
"""Speed presets by x264's names, fastest first."""
FAST_PRESETS = PRESETS[:3]
_SVT_PRESETS = dict(zip(PRESETS, ("12", "11", "10", "9", "8", "7", "5", "4", "3", "2"), strict=True))
LARGE_PICTURE = 1_000_000
"""Pixels from which a second encoder thread pays off."""
KEY_FRAME_SECONDS = 2.0
"""Default time between key frames, which is also the most that a killed process loses."""

_LIVE = {
    SOFTWARE: {"tune": "zerolatency", "bf": "0", "forced-idr": "1"},
    "libx265": {"tune": "zerolatency", "forced-idr": "1"},
    "libsvtav1": {"svtav1-params": "pred-struct=1"},
    "h264_nvenc": {"zerolatency": "1", "delay": "0", "forced-idr": "1"},
    "h264_qsv": {"async_depth": "1", "bf": "0", "forced_idr": "1"},
    "h264_videotoolbox": {"realtime": "1", "bf": "0"},
}
"""Encoder -> options with which every picture comes out at once, and requested key frames are key frames."""
_MATRIX_CODES = {"bt601": 6, "bt709": 1, "bt2020": 9}
"""Code points of ITU-T H.273, MatrixCoefficients."""


@lru_cache(maxsize=16)
def encoder_works(codec: str) -> bool:
    """Return whether an encoder works on this machine, by encoding a picture.

    An encoder that is compiled in may still lack its hardware.
    """
    try:
        context: Any = av.CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
        picture = av.VideoFrame(256, 256, "yuv420p")
        picture.pts = 0
        return bool(list(chain(context.encode(picture), context.encode(None))))
    except (av.FFmpegError, ValueError):
        return False


def choose_encoder(codec: str, suffix: str) -> tuple[str, str | None]:
    """Choose the encoder of a video file.

    Args:
        codec: "auto" or the name of an encoder.
        suffix: ending of the file with its dot.

    Returns:
        The name of the encoder, and a run note if it is not the requested one.

    Raises:
        ConfigError: the container is not known or cannot hold the codec.

    Example:
        >>> choose_encoder("auto", ".webm")
        ('libsvtav1', None)
    """
    suffix = suffix.lower()
    check_suffix(suffix, "video", SINKS["video"].suffixes)
    only = ONLY_CODEC.get(suffix)
    if only and codec not in ("auto", only):
        raise ConfigError(f"{suffix} cannot hold {codec}", "", f"use .mp4 or .mkv, or video.codec={only}")
    if only:
        return only, None
    if codec == "auto":
        return next((name for name in HARDWARE if encoder_works(name)), SOFTWARE), None
    if encoder_works(codec):
        return codec, None
    return SOFTWARE, f"video encoder {codec} does not work on this machine: {SOFTWARE} was used"


def encoder_options(codec: str, crf: int, preset: str, *, live: bool = False) -> dict[str, str]:
    """Return the options of an encoder.

    Args:
        codec: name of the encoder.
        crf: quality on x264's scale, 0 to 51, lower is better.
        preset: speed by x264's names.
        live: encode without delay, which costs some bits.

    Raises:
        ConfigError: the preset does not exist.
    """
    if preset not in PRESETS:
        raise ConfigError(
            f"unknown video preset '{preset}'", nearest(preset, PRESETS), f"use one of {', '.join(PRESETS)}"
        )
    quality = str(crf)
    by_codec = {
        "h264_nvenc": {"rc": "vbr", "cq": quality, "preset": "p4", "b": "0"},
        "h264_qsv": {"global_quality": quality},
        "h264_amf": {"rc": "cqp", "qp_i": quality, "qp_p": quality},
        "h264_videotoolbox": {"q:v": str(max(1, 100 - 2 * crf))},
        "libsvtav1": {"crf": quality, "preset": _SVT_PRESETS[preset]},
    }
    # B-frames cost a fast preset a quarter of its time for a quarter of its bits (measured on a 640x360 clip: 4.1
    # against 3.2 ms), and hold pictures back, which a killed process loses.
    plain = {"bf": "0"} if codec == SOFTWARE and preset in FAST_PRESETS else {}
    return {
        **by_codec.get(codec, {"crf": quality, "preset": preset, **plain}),
        **(_LIVE.get(codec, {}) if live else {}),
    }


def encoder_threads(width: int, height: int) -> int:
    """Return the number of encoder threads: half the cores, and at least two for large pictures.

    Measured on two cores: a second thread costs the whole flow 3 % at 640x360 and saves 2 % at 1920x1080.
    """
    return max(2 if width * height > LARGE_PICTURE else 1, min(16, cpu_count() // 2))


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """An encoder with its settings."""

    encoder: str
    options: dict[str, str]
    """Options of the encoder, from `encoder_options`."""
    rate: Fraction = Fraction(30)
    """Pictures per second, as a hint for the encoder."""
    key_frame_seconds: float = KEY_FRAME_SECONDS
    """Longest time between key frames."""
    timed: bool = False
    """Place key frames by the times of the pictures instead of counting pictures, for streams of unknown rate."""


class PictureEncoder:
    """Encoder of pictures of one size.

    Args:
        context: codec context of the encoder, not open yet.
        size: (width, height) of the pictures, even.
        settings: encoder settings.
        clock: source of the timestamps.
        color: color description of the source.
        pixel_aspect: width of a pixel divided by its height.

    Example:
        >>> draw(encoder.canvas(frame.picture))
        >>> packets = encoder.encode(frame)
    """

    def __init__(
        self,
        context: Any,
        size: tuple[int, int],
        settings: EncoderSettings,
        clock: OutputClock,
        color: ColorTags,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        self.started = False
        """A picture was taken, and with it the color description."""
        self._context, self._size, self._settings, self._clock, self._color = context, size, settings, clock, color
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.sample_aspect_ratio = pixel_aspect
        context.time_base, context.framerate = clock.time_base, settings.rate
        context.gop_size = max(1, round(settings.key_frame_seconds * min(float(settings.rate), 240)))
        context.options = {**settings.options, "threads": str(encoder_threads(*size))}
        self._key: int | None = None
        """Timestamp of the last key frame."""

    def canvas(self, like: Picture) -> Picture:
        """Return the planes of the next picture, to be overwritten.

        Args:
            like: a picture with the matrix and range of the pixels that will be drawn.
        """
        if not self.started:
            self._set_color(like)
        self._image = av.VideoFrame(*self._size, "yuv420p")
        self._image.color_range = 2 if like.full_range else 1
        return _planes(self._image, like)

    def _set_color(self, picture: Picture) -> None:
        # Known in full only with the first picture: RGB sources name no YUV matrix.
        context, tags = self._context, self._color
        context.color_range = 2 if picture.full_range else 1
        context.colorspace = tags.matrix if tags.matrix not in (0, 8) else _MATRIX_CODES[picture.matrix]
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        self.started = True

    def encode(self, frame: Frame) -> list[Any]:
        """Encode the canvas with the time of `frame`; return the packets that are ready."""
        image, stamp = self._image, self._clock.stamp(frame)
        image.pts, image.time_base = stamp, self._clock.time_base
        if self._settings.timed and (
            self._key is None or (stamp - self._key) * self._clock.time_base >= self._settings.key_frame_seconds
        ):
            image.pict_type, self._key = PictureType.I, stamp
        return self._packets(image)

    def flush(self) -> list[Any]:
        """Return the packets that the encoder still holds; nothing can be encoded after this."""
        return self._packets(None)

    def _packets(self, image: av.VideoFrame | None) -> list[Any]:
        packets = self._context.encode(image)
        for packet in packets:
            self._clock.restore(packet)
        return list(packets)


def _planes(image: av.VideoFrame, like: Picture) -> Picture:
    """Return the memory of a PyAV image as a picture to draw on, with the matrix and range of another picture."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]  # type: ignore[call-overload]
        for plane in image.planes
    )
    return Picture(y, u, v, like.matrix, like.full_range)


def color_tags(picture: Picture) -> ColorTags:
    """Return the color description of a picture of which only the matrix and range are known."""
    return ColorTags(matrix=_MATRIX_CODES[picture.matrix], full_range=picture.full_range)
