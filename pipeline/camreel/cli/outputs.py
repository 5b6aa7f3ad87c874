"""Where the results of each input go, decided before any work starts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from camreel.errors import ConfigError, OutputError
from camreel.sinks import suffixes

STDOUT = Path("-")
VIDEO_TAIL = ".camreel.mp4"
RECORDS_TAIL = ".camreel.jsonl"


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its results go."""

    uri: str
    video: Path | None
    """None: no video."""
    records: Path | None
    """None: no records; `STDOUT`: standard output."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The outputs, standard output included."""
        return tuple(path for path in (self.video, self.records) if path is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """The outputs that are files."""
        return tuple(path for path in self.paths if path != STDOUT)


def plan_outputs(
    uris: Sequence[str], output: str | None, records: str | None, *, video: bool = True, json: bool = True
) -> list[Job]:
    """Names the outputs of every input.

    By default they lie beside the input (of a camera or stream: in the current folder) and are called after it; where two inputs
    would share a name, the later one's gets -2, -3 and so on.

    Args:
        uris: the inputs, each once.
        output: a file for the video, or a folder for all outputs.
        records: a file for the records, a folder, or "-".
        video: whether a video is wanted.
        json: whether records are wanted.

    Raises:
        ConfigError: what is asked for cannot be, or would write over an input.
    """
    if not video and not json:
        raise ConfigError("nothing to write", "--no-video and --no-json leave no output", "drop one of the two")
    video_place = _place(output, "-o", len(uris)) if output else None
    record_place = _place(records, "--json", len(uris)) if records else None
    if record_place is None and video_place is not None:
        record_place = (
            video_place if video_place.folder else _Place(video_place.path.with_suffix(".jsonl"), folder=False)
        )
    taken: set[Path] = set()
    jobs = [
        _name(uri, video_place if video else None, record_place if json else None, video, json, taken) for uri in uris
    ]
    _refuse_inputs(uris, jobs)
    return jobs


def choose(jobs: Sequence[Job], *, overwrite: bool, skip_existing: bool) -> tuple[list[Job], list[Job]]:
    """Sorts the jobs by what already exists.

    Returns:
        The jobs to do, and those to skip because all their outputs are there.

    Raises:
        ConfigError: an output exists and may not be overwritten.
    """
    done = [job for job in jobs if skip_existing and all(path.exists() for path in job.paths)]
    todo = [job for job in jobs if job not in done]
    existing = [path for job in todo for path in job.files if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise ConfigError(
            f"{existing[0]}{more} already exists" if not more else f"{existing[0]}{more} already exist",
            "only some of its outputs are there, so it is not skipped" if skip_existing else "",
            "--overwrite replaces outputs"
            + ("" if skip_existing else ", --skip-existing leaves out inputs that have them all"),
        )
    return todo, done


def prepare(jobs: Sequence[Job]) -> None:
    """Makes the folders of the outputs.

    Raises:
        OutputError: one cannot be made or written to.
    """
    for folder in dict.fromkeys(path.parent for job in jobs for path in job.files):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {folder}", error.strerror or str(error), "choose another with -o"
            ) from None
        if not os.access(folder, os.W_OK):
            raise OutputError(f"cannot write to the folder {folder}", "permission denied", "choose another with -o")


def name_paths(paths: Sequence[Path]) -> str:
    """Outputs as people read them."""
    return " and ".join("standard output" if path == STDOUT else str(path) for path in paths)


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    folder: bool


def _place(text: str, flag: str, inputs: int) -> _Place:
    """A file or a folder: a folder if it is one, ends like one, or holds several outputs."""
    path = Path(text)
    if flag == "--json" and path == STDOUT:
        return _Place(path, folder=False)
    if path.is_dir() or text.endswith(("/", os.sep)):
        return _Place(path, folder=True)
    if inputs > 1:
        if path.suffix or path.exists():
            raise ConfigError(
                f"{flag} {text} is a file, but there are {inputs} inputs", todo=f"give a folder: {flag} {path.stem}/"
            )
        return _Place(path, folder=True)
    known = suffixes("records")
    is_records = path.suffix.lower() in known
    if flag == "-o" and is_records:
        raise ConfigError(f"-o {text} names the video", todo=f"for the records write --json {text}")
    if flag == "--json" and not is_records:
        raise ConfigError(
            f"--json {text} ends in none of {', '.join(known)}", todo="write a folder with / at its end, or - for stdout"
        )
    if not path.suffix:
        raise ConfigError(f"-o {text} has no suffix", todo=f"write {text}.mp4 for a file or {text}/ for a folder")
    return _Place(path, folder=False)


def _name(
    uri: str, video: _Place | None, records: _Place | None, wants_video: bool, wants_json: bool, taken: set[Path]
) -> Job:
    folder, stem = _split(uri)
    for count in range(1, len(taken) + 2):
        name = stem if count == 1 else f"{stem}-{count}"
        job = Job(
            uri,
            _resolve(video, folder, name + VIDEO_TAIL) if wants_video else None,
            _resolve(records, folder, name + RECORDS_TAIL) if wants_json else None,
        )
        if taken.isdisjoint(job.files):
            break
    taken.update(job.files)
    return job


def _resolve(place: _Place | None, folder: Path, name: str) -> Path:
    if place is None:
        return folder / name
    return place.path / name if place.folder else place.path


def _split(uri: str) -> tuple[Path, str]:
    """The folder and the bare name that an input's outputs are called after; nothing of it is secret."""
    path = Path(uri)
    if "://" not in uri and (path.suffix or path.exists()) and not re.match(r"\w{2,}:", uri):
        return path.parent, path.stem
    text = uri
    if "://" in uri:
        from camreel.sources.address import without_credentials

        parts = urlsplit(without_credentials(uri))
        text = f"{parts.netloc}{parts.path}"
    slug = re.sub(r"[^\w.]+", "-", text).strip("-.")[:60]
    if uri == str(STDOUT):
        return Path(), "stdin"
    return Path(), f"camera-{slug}" if slug.isdigit() else slug or "stream"


def _refuse_inputs(uris: Sequence[str], jobs: Sequence[Job]) -> None:
    inputs = {path.resolve(): uri for uri in uris for path in _local(uri)}
    for job in jobs:
        for path in job.files:
            if path.resolve() in inputs:
                raise ConfigError(f"{path} is an input and would be written over", todo="choose another output with -o")


def _local(uri: str) -> Iterator[Path]:
    if "://" not in uri:
        yield Path(uri)


@contextmanager
def reserved(path: Path) -> Iterator[Callable[[str], None]]:
    """Makes sure that a file can be written before hours of work are done for it, and leaves nothing half-written.

    Yields:
        What writes the file, whole.

    Raises:
        OutputError: it cannot be written.
    """
    if path.is_dir():
        raise OutputError(f"cannot write {path}", "it is a folder", "name a file in it")
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")

    def failed(error: OSError) -> OutputError:
        return OutputError(f"cannot write {path}", error.strerror or str(error), "choose another place")

    def write(text: str) -> None:
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, path)
        except OSError as error:
            raise failed(error) from error

    try:
        partial.touch()
    except OSError as error:
        raise failed(error) from error
    try:
        yield write
    finally:
        partial.unlink(missing_ok=True)
