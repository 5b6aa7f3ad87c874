"""Which video encoder, and how it is told quality and speed."""

from __future__ import annotations

import os
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import Any

import av

from camreel.errors import ConfigError, nearest

HARDWARE = ("h264_nvenc", "h264_qsv", "h264_amf", "h264_videotoolbox")
"""H.264 encoders of graphics hardware, in the order they are tried."""
SOFTWARE = "libx264"

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
FAST = PRESETS[:3]
LARGE = 1_000_000
"""Pixels."""
_SVT_PRESETS = dict(zip(PRESETS, ("12", "11", "10", "9", "8", "7", "5", "4", "3", "2"), strict=True))

_LIVE = {
    SOFTWARE: {"tune": "zerolatency", "bf": "0", "forced-idr": "1"},
    "libx265": {"tune": "zerolatency", "forced-idr": "1"},
    "libsvtav1": {"svtav1-params": "pred-struct=1"},
    "h264_nvenc": {"zerolatency": "1", "delay": "0", "forced-idr": "1"},
    "h264_qsv": {"async_depth": "1", "bf": "0", "forced_idr": "1"},
    "h264_videotoolbox": {"realtime": "1", "bf": "0"},
}
"""By encoder: every picture comes out as soon as it came in, and a picture that is asked to be a key frame is one."""

_CONTAINERS = {".mp4": "", ".m4v": "", ".mov": "", ".mkv": "", ".webm": "libsvtav1"}
"""Containers that are written, and the one codec of ours that they hold, if there is only one."""


@lru_cache(maxsize=16)
def works(codec: str) -> bool:
    """Whether an encoder really encodes here: that it is compiled in says nothing about the hardware."""
    try:
        context: Any = av.CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
        picture = av.VideoFrame(256, 256, "yuv420p")
        picture.pts = 0
        return bool(list(chain(context.encode(picture), context.encode(None))))
    except (av.FFmpegError, ValueError):
        return False


def choose(codec: str, suffix: str) -> tuple[str, str | None]:
    """The encoder to use, and what was done otherwise than asked for.

    Args:
        codec: "auto" or the name of an encoder.
        suffix: of the output file, with its dot.

    Raises:
        ConfigError: the container is not known or cannot hold the codec.
    """
    suffix = suffix.lower()
    if suffix not in _CONTAINERS:
        raise ConfigError(
            f"unknown video file type '{suffix}'",
            "the container is chosen by the file's suffix",
            f"use one of {', '.join(_CONTAINERS)}",
        )
    only = _CONTAINERS[suffix]
    if only and codec not in ("auto", only):
        raise ConfigError(f"{suffix} cannot hold {codec}", "", f"use .mp4 or .mkv, or video.codec={only}")
    if only:
        return only, None
    if codec == "auto":
        return next((name for name in HARDWARE if works(name)), SOFTWARE), None
    if works(codec):
        return codec, None
    return SOFTWARE, f"video encoder {codec} does not work on this machine: {SOFTWARE} was used"


def encoder_options(codec: str, crf: int, preset: str, *, live: bool = False) -> dict[str, str]:
    """An encoder's own options.

    Args:
        codec: the encoder's name.
        crf: quality on x264's scale, 0 to 51, lower is better.
        preset: speed by x264's names.
        live: without delay, which costs some bits.

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
    # B-frames cost a fast preset a quarter of its time for a quarter of its bits (measured on a 640x360 clip: 4.1 against 3.2 ms),
    # and hold pictures back, which a killed process loses.
    plain = {"bf": "0"} if codec == "libx264" and preset in FAST else {}
    return {
        **by_codec.get(codec, {"crf": quality, "preset": preset, **plain}),
        **(_LIVE.get(codec, {}) if live else {}),
    }


def threads(width: int, height: int) -> int:
    """Encoder threads: half the cores, and at least two for large pictures.

    Measured on two cores: a second thread costs the whole flow 3 % at 640x360 and gains it 2 % at 1920x1080.
    """
    return max(2 if width * height > LARGE else 1, min(16, (os.cpu_count() or 2) // 2))
