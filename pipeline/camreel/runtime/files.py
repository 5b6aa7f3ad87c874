"""Output files: written under a partial name, renamed in one step when they are complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from camreel.errors import OutputError

STDOUT = Path("-")
"""Stands for standard output wherever a path is expected."""

_TODO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space, or write to another disk"),
    **dict.fromkeys((errno.EACCES, errno.EROFS), "choose a folder that you may write to"),
}


def partial_path(path: Path) -> Path:
    """Return the name of an output until it is complete: `clip.camreel.jsonl` becomes `clip.camreel.partial.jsonl`."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def explain(error: BaseException, path: Path | str, todo: str = "choose another place") -> OutputError:
    """Convert an error of the file system or a library to an `OutputError` with advice.

    Args:
        error: the exception that was caught.
        path: the output.
        todo: advice if the kind of error suggests no better one.
    """
    number = error.errno if isinstance(error, OSError) else None
    # FFmpeg's own error numbers lie far outside the range of the operating system.
    why = os.strerror(number) if number and 0 < number < 200 else str(error)
    return OutputError(f"cannot write {path}", why, _TODO.get(number or 0, todo))


def make_folder(folder: Path, todo: str = "choose another folder") -> None:
    """Create a folder, and check that files can be created in it.

    Raises:
        OutputError: it cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}", error.strerror or str(error), todo) from None
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write to the folder {folder}", "permission denied", todo)


def reserve(path: Path, todo: str = "choose another place") -> Path:
    """Create the empty partial file of an output, so that an output that cannot be written costs no work.

    Args:
        path: the output; missing folders are created.
        todo: advice if the kind of error suggests no better one.

    Returns:
        The partial path.

    Raises:
        OutputError: it cannot be created.
    """
    if path.is_dir():
        raise OutputError(f"cannot write {path}", "a folder has this name", "choose another name")
    partial = partial_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.open("wb").close()
    except OSError as error:
        raise explain(error, path, todo) from error
    return partial


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a partial path to write to, and rename it to `path` if the block ends without an error.

    The partial file exists inside the block, so that a path that cannot be written fails before the work is done. It is
    removed if the block raises.

    Raises:
        OutputError: the file cannot be created, written or renamed.

    Example:
        >>> with atomic_write(Path("report.html")) as partial:
        ...     partial.write_text("<h1>Report</h1>")
    """
    partial = reserve(path)
    mode = partial.stat().st_mode
    try:
        yield partial
        partial.chmod(mode)  # some libraries create files that only their owner may read
        os.replace(partial, path)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def shipped(folder: str) -> Path:
    """Return a folder that is shipped with camreel: `configs` or `sample_videos`.

    In a checkout the folders stand at the top level; in a wheel they are inside the package.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / folder
    return inside if inside.is_dir() else package.parents[1] / folder
