"""Paths of the outputs of every input, decided before any work starts."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from camreel.errors import ConfigError
from camreel.runtime.files import STDOUT
from camreel.sinks import suffixes

VIDEO_ENDING = ".camreel.mp4"
RECORDS_ENDING = ".camreel.jsonl"
MAX_STEM_LENGTH = 60
"""Maximum number of characters of an address that go into the names of its outputs."""


@dataclass(frozen=True, slots=True)
class Job:
    """One input and the paths of its outputs."""

    uri: str
    video: Path | None
    """The annotated video; None: none."""
    records: Path | None
    """The records; `STDOUT`: standard output; None: none."""

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
    """Choose the paths of the outputs of every input.

    By default they lie beside the input (for cameras and streams: in the current folder) and have its name; if two
    inputs would share a name, the outputs of the later one get -2, -3 and so on.

    Args:
        uris: inputs, without duplicates.
        output: file for the video, or folder for all outputs.
        records: file for the records, folder, or "-".
        video: write a video.
        json: write records.

    Raises:
        ConfigError: the request makes no sense, or an output would overwrite an input.

    Example:
        >>> plan_outputs(["a/clip.mov"], output="out/", records=None)
        [Job(uri='a/clip.mov', video=PosixPath('out/clip.camreel.mp4'), records=PosixPath('out/clip.camreel.jsonl'))]
    """
    if not video and not json:
        raise ConfigError("nothing to write", "--no-video and --no-json leave no output", "drop one of the two")
    video_target = _parse_target(output, "-o", len(uris)) if output else None
    records_target = _parse_target(records, "--json", len(uris)) if records else None
    if records_target is None and video_target is not None:
        beside_video = _Target(video_target.path.with_suffix(".jsonl"), is_folder=False)
        records_target = video_target if video_target.is_folder else beside_video
    taken: set[Path] = set()
    jobs = []
    for uri in uris:
        job = next(
            job
            for job in _candidates(uri, video_target, records_target, has_video=video, has_json=json)
            if taken.isdisjoint(job.files)
        )
        taken.update(job.files)
        jobs.append(job)
    _refuse_inputs(uris, jobs)
    return jobs


def select_jobs(jobs: Sequence[Job], *, overwrite: bool, skip_existing: bool) -> tuple[list[Job], list[Job]]:
    """Divide jobs by whether their outputs exist already.

    Returns:
        The jobs to do, and with `skip_existing` those that have all their outputs.

    Raises:
        ConfigError: an output exists and must not be overwritten.
    """
    done = [job for job in jobs if skip_existing and all(path.exists() for path in job.paths)]
    todo = [job for job in jobs if job not in done]
    if not overwrite:
        refuse_existing(
            [path for job in todo for path in job.files],
            "only some of its outputs are there, so it is not skipped" if skip_existing else "",
            "" if skip_existing else ", --skip-existing leaves out inputs that have them all",
        )
    return todo, done


def refuse_existing(files: Sequence[Path], why: str = "", alternative: str = "") -> None:
    """Check that none of the outputs exists.

    Args:
        files: outputs.
        why: second line of the message.
        alternative: what else can be done besides `--overwrite`.

    Raises:
        ConfigError: one of them exists.
    """
    existing = [path for path in files if path.exists()]
    if existing:
        more = f" and {len(existing) - 1} more already exist" if len(existing) > 1 else " already exists"
        raise ConfigError(f"{existing[0]}{more}", why, f"--overwrite replaces outputs{alternative}")


def name_paths(paths: Sequence[Path]) -> str:
    """Join outputs to a text for people: "clip.camreel.mp4 and standard output"."""
    return " and ".join("standard output" if path == STDOUT else str(path) for path in paths)


@dataclass(frozen=True, slots=True)
class _Target:
    """A file or folder that the user named for outputs."""

    path: Path
    is_folder: bool

    def resolve(self, name: str) -> Path:
        return self.path / name if self.is_folder else self.path


def _parse_target(text: str, flag: str, inputs: int) -> _Target:
    """Decide whether a path is a file or a folder: a folder if it is one, ends like one, or several inputs share it."""
    path = Path(text)
    if flag == "--json" and path == STDOUT:
        return _Target(path, is_folder=False)
    if path.is_dir() or text.endswith(("/", os.sep)):
        return _Target(path, is_folder=True)
    if inputs > 1:
        if path.suffix or path.exists():
            what = f"{flag} {text} is a file, but there are {inputs} inputs"
            raise ConfigError(what, todo=f"give a folder: {flag} {path.stem}/")
        return _Target(path, is_folder=True)
    endings = suffixes("records")
    is_records = path.suffix.lower() in endings
    if flag == "-o" and is_records:
        raise ConfigError(f"-o {text} names the video", todo=f"for the records write --json {text}")
    if flag == "--json" and not is_records:
        *others, last = sorted(endings)
        what = f"--json {text} does not end in {', '.join(others)} or {last}"
        raise ConfigError(what, todo="write a folder with / at its end, or - for standard output")
    if not path.suffix:
        raise ConfigError(f"-o {text} has no suffix", todo=f"write {text}.mp4 for a file or {text}/ for a folder")
    return _Target(path, is_folder=False)


def _candidates(
    uri: str, video: _Target | None, records: _Target | None, *, has_video: bool, has_json: bool
) -> Iterator[Job]:
    """Yield jobs of an input with outputs called NAME, NAME-2, NAME-3 and so on; a target of None: beside the input."""
    folder, stem = _folder_and_stem(uri)
    beside = _Target(folder, is_folder=True)
    for count in itertools.count(1):
        name = stem if count == 1 else f"{stem}-{count}"
        yield Job(
            uri,
            (video or beside).resolve(name + VIDEO_ENDING) if has_video else None,
            (records or beside).resolve(name + RECORDS_ENDING) if has_json else None,
        )


def _folder_and_stem(uri: str) -> tuple[Path, str]:
    """Return the default folder of an input's outputs and the name they start with, without passwords and tokens."""
    path = Path(uri)
    if "://" not in uri and (path.suffix or path.exists()) and not re.match(r"\w{2,}:", uri):
        return path.parent, path.stem
    text = uri
    if "://" in uri:
        from camreel.sources.address import without_credentials

        parts = urlsplit(without_credentials(uri))
        text = f"{parts.netloc}{parts.path}"
    stem = re.sub(r"[^\w.]+", "-", text).strip("-.")[:MAX_STEM_LENGTH]
    if uri == str(STDOUT):
        return Path(), "stdin"
    return Path(), f"camera-{stem}" if stem.isdigit() else stem or "stream"


def _refuse_inputs(uris: Sequence[str], jobs: Sequence[Job]) -> None:
    inputs = {Path(uri).resolve() for uri in uris if "://" not in uri}
    for job in jobs:
        for path in job.files:
            if path.resolve() in inputs:
                what = f"{path} is an input and would be written over"
                raise ConfigError(what, todo="choose another output with -o")
