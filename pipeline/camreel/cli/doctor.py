"""`camreel doctor`: checks of this machine. Missing or broken packages are findings, never a crash."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from camreel.runtime.hardware import cpu_count

GIB = 2**30
"""Bytes."""
MIN_MEMORY_GIB = 3.5
"""Memory below which a warning is shown."""
WEB_PACKAGES = ("starlette", "uvicorn", "websockets")
"""Packages of the browser page of live pictures."""
DECODERS = ("h264", "hevc", "av1", "vp9")
HARDWARE_ENCODERS = ("h264_nvenc", "h264_qsv", "h264_amf", "h264_videotoolbox")


@dataclass(frozen=True, slots=True)
class Check:
    """Result of a check."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    todo: str = ""
    """Advice if the status is not ok."""


def run_checks() -> list[Check]:
    """Run all checks, in the order in which problems should be solved.

    Example:
        >>> [check.name for check in run_checks() if check.status == "fail"]
        []
    """
    return [result for check in CHECKS for result in _guarded(check)]


def _guarded(check: Callable[[], Iterator[Check]]) -> list[Check]:
    """Return the results of a check function; an exception becomes one more result."""
    checks: list[Check] = []
    try:
        checks.extend(check())
    except Exception as error:  # a broken package can raise anything when it is imported
        name = check.__name__.removeprefix("_check_")
        checks.append(Check(name, "fail", _first_line(error), _remedy(name, str(error))))
    return checks


def _check_python() -> Iterator[Check]:
    version = platform.python_version()
    new_enough = sys.version_info >= (3, 11)
    yield Check(
        "python",
        "ok" if new_enough else "fail",
        f"{version} on {platform.platform(terse=True)}",
        "" if new_enough else "use 3.11 or newer",
    )
    yield Check("camreel", "ok", importlib.metadata.version("camreel"))


def _check_torch() -> Iterator[Check]:
    torch = importlib.import_module("torch")
    yield Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")
    yield _accelerator(torch)
    from camreel.recognize.backend import choose_device, has_bfloat16

    in_hardware = has_bfloat16(choose_device("auto"))
    yield Check("bfloat16", "ok", "in hardware" if in_hardware else "emulated: float32 will be used")


def _accelerator(torch: Any) -> Check:
    if torch.cuda.is_available():
        return Check(
            "accelerator", "ok", ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        )
    if torch.backends.mps.is_available():
        return Check("accelerator", "ok", "Apple GPU (mps)")
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        todo = "install a torch with CUDA that suits the driver: https://pytorch.org/get-started"
        return Check("accelerator", "warn", f"an NVIDIA driver, but torch {torch.__version__} cannot use it", todo)
    return Check("accelerator", "ok", "none: runs on the CPU")


def _check_torchvision() -> Iterator[Check]:
    yield Check("torchvision", "ok", importlib.import_module("torchvision").__version__)


def _check_opencv() -> Iterator[Check]:
    yield Check("opencv", "ok", importlib.import_module("cv2").__version__)


def _check_opencv_packages() -> Iterator[Check]:
    names = {str(found.metadata["Name"]).lower() for found in importlib.metadata.distributions()}
    installed = sorted(name for name in names if re.fullmatch(r"opencv(-contrib)?-python(-headless)?", name))
    if len(installed) > 1:
        todo = f"pip uninstall {' '.join(installed)}; pip install opencv-python"
        yield Check("opencv packages", "warn", f"{' and '.join(installed)} write over each other's files", todo)


def _check_av() -> Iterator[Check]:
    # The windows of OpenCV hang forever if av is imported first.
    with contextlib.suppress(Exception):
        importlib.import_module("cv2")
    av = importlib.import_module("av")
    yield Check("av", "ok", f"{av.__version__}, FFmpeg {getattr(av, 'ffmpeg_version_info', 'of unknown version')}")
    lacking = [name for name in DECODERS if not _has_codec(av, name, "r")]
    found = ", ".join(name for name in DECODERS if name not in lacking)
    yield Check(
        "decoders",
        "warn" if lacking else "ok",
        found or "none",
        f"no {', '.join(lacking)}: reinstall av from PyPI" if lacking else "",
    )
    software = _has_codec(av, "libx264", "w")
    yield Check(
        "encoder",
        "ok" if software else "fail",
        "libx264" if software else "no libx264",
        "" if software else "reinstall av from PyPI",
    )
    compiled = [name for name in HARDWARE_ENCODERS if _has_codec(av, name, "w")]
    yield Check(
        "hardware encoders", "ok", f"{', '.join(compiled) or 'none'} compiled in; tried when a video is written"
    )


def _has_codec(av: Any, name: str, mode: str) -> bool:
    try:
        av.codec.Codec(name, mode)
    except Exception:
        return False
    return True


def _check_display() -> Iterator[Check]:
    # No window is opened for this check: without a display Qt aborts the process.
    if sys.platform in ("win32", "darwin"):
        yield Check("display", "ok", platform.system())
        return
    found = [name for name in ("DISPLAY", "WAYLAND_DISPLAY") if os.environ.get(name)]
    yield Check("display", "ok", " and ".join(found) if found else "none: live pictures are shown in the browser")


def _check_web_page() -> Iterator[Check]:
    lacking = [name for name in WEB_PACKAGES if importlib.util.find_spec(name) is None]
    todo = 'pip install "camreel[web]"' if lacking else ""
    found = f"no {', '.join(lacking)}: no browser page of live pictures" if lacking else "starlette and uvicorn"
    yield Check("live page", "warn" if lacking else "ok", found, todo)
    webcams = sorted(path.name for path in Path("/dev").glob("video*"))
    if sys.platform == "linux":
        yield Check("webcams", "ok", ", ".join(webcams) or "none")


def _check_cache() -> Iterator[Check]:
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    yield _writable("weights cache", Path(home) / "hub" / "checkpoints", "set TORCH_HOME to a folder you may write to")


def _check_folder() -> Iterator[Check]:
    yield _writable("this folder", Path.cwd(), "give a folder with -o")
    free = shutil.disk_usage(Path.cwd()).free
    scarce = free < GIB
    yield Check(
        "disk",
        "warn" if scarce else "ok",
        f"{free / GIB:.1f} GiB free here",
        "make room: videos and weights need some" if scarce else "",
    )


def _writable(name: str, folder: Path, todo: str) -> Check:
    """Check that a file can be created in `folder`, or in its nearest parent that exists."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            return Check(name, "ok", f"{folder} can be written to")
    except OSError as error:
        return Check(name, "warn", f"{folder}: {error.strerror or error}", todo)


def _check_memory() -> Iterator[Check]:
    if not hasattr(os, "sysconf"):
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    small = total < MIN_MEMORY_GIB
    found = f"{total:.1f} GiB, {cpu_count()} CPUs"
    yield Check(
        "memory", "warn" if small else "ok", found, "use short clips: --batch 1, a smaller --map-size" if small else ""
    )


CHECKS = (
    _check_python,
    _check_torch,
    _check_torchvision,
    _check_opencv,
    _check_opencv_packages,
    _check_av,
    _check_display,
    _check_web_page,
    _check_cache,
    _check_folder,
    _check_memory,
)
"""Functions that yield checks; "_check_NAME" gives the name of the check if the function raises."""


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def _remedy(name: str, message: str) -> str:
    if name == "opencv" and (library := re.search(r"lib(GL|gthread|glib|SM|Xext|xcb)[\w.-]*", message)):
        return (
            f"{library[0]} is missing: apt-get install libgl1 libglib2.0-0, or install opencv-python-headless instead"
        )
    if name == "torchvision" and "nms" in message:
        return "torch and torchvision do not belong together: pip install --upgrade torch torchvision"
    packages = {
        "torch": "torch",
        "torchvision": "torchvision",
        "opencv": "opencv-python",
        "av": "av",
        "python": "camreel",
    }
    return f"pip install --upgrade {packages[name]}" if name in packages else ""
