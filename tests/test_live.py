"""Live runs as a whole: real servers over loopback, the bundled network, real files."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from camreel.config.schema import Config
from camreel.errors import InputError
from camreel.flow import load_recognizer, process
from camreel.live.options import LiveOptions
from camreel.live.session import Outcome, watch
from camreel.records import LINE
from tests.cameras import MjpegServer, RtspServer
from tests.test_flow import make_clip

BASE: dict[str, Any] = {
    "model": {"name": "figures", "precision": "float32"},
    "smooth": {"causal": True},
    "live": {"silence": 2.0, "deadline": 20.0},
}


def config(**live: Any) -> Config:
    return Config.model_validate({**BASE, "live": {**BASE["live"], **live}})


@pytest.fixture(scope="module")
def figures():
    return load_recognizer(config())


class Watcher:
    """Calls back when the records say so, while the run goes on; ends the run that takes too long."""

    def __init__(self, path: Path, seconds: float = 60.0) -> None:
        self._path = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._at = 0
        self._steps: list[tuple[Callable[[list[dict[str, Any]]], bool], Callable[[], None]]] = []
        self._records: list[dict[str, Any]] = []

    def when(self, happens: Callable[[list[dict[str, Any]]], bool], act: Callable[[], None]) -> Watcher:
        self._steps.append((happens, act))
        return self

    def __call__(self) -> None:
        """To be given as `check`."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        self._records += [json.loads(line) for line in whole.splitlines()]
        while self._steps and self._steps[0][0](self._records):
            self._steps.pop(0)[1]()


def stop() -> None:
    raise KeyboardInterrupt


def frames_since(part: int, count: int) -> Callable[[list[dict[str, Any]]], bool]:
    """There are so many frames behind the record of a connection."""

    def happens(records: list[dict[str, Any]]) -> bool:
        starts = [i for i, r in enumerate(records) if r["type"] == "header" or r.get("part") == part]
        return bool(starts) and (part == 0 or len(starts) > 1) and sum(r["type"] == "frame" for r in records[starts[-1] :]) >= count

    return happens


def read(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        LINE.validate_python(record)
    return records


def go(uris: Sequence[str], settings: Config, options: LiveOptions, figures: Any, check: Callable[[], None] = lambda: None):
    said: list[str] = []
    outcomes: list[Outcome] = []
    try:
        watch(uris, settings, options, figures, check=check, say=said.append, ended=outcomes.append)
    except KeyboardInterrupt:
        assert outcomes, "what came of it is told also when it is interrupted"
    return outcomes, said


def consistent(records: Sequence[dict[str, Any]]) -> None:
    """Indices and times rise, and what is missing is in a gap."""
    frames = [r for r in records if r["type"] == "frame"]
    indices = [f["index"] for f in frames]
    assert indices == sorted(set(indices))
    times = [f["time"] for f in frames]
    assert times == sorted(set(times))
    missing = sum(r["count"] for r in records if r["type"] == "gap")
    assert missing == indices[-1] + 1 - len(indices)
    counts = records[-1]["frames"]
    assert counts["decoded"] == counts["written"] + counts["dropped"]
    assert counts["written"] == len(frames)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "film.mp4", count=75)


def test_a_file_gives_the_records_that_process_gives(figures, film, tmp_path):
    """The flow is the same: only the source's pace, the policy and the sinks differ."""
    live, file = tmp_path / "live.jsonl", tmp_path / "file.jsonl"
    settings = config(policy="block")
    go([str(film)], settings, LiveOptions(records=str(live), realtime=False), figures)
    process(str(film), settings, video=None, records=file, recognizer=figures)
    one, other = ([r for r in read(path) if r["type"] == "frame"] for path in (live, file))
    assert one == other
    assert len(one) > 60


def test_every_frame_of_a_film_at_its_own_pace_is_answered_or_missing(figures, film, tmp_path):
    path, video = tmp_path / "live.jsonl", tmp_path / "live.mp4"
    (outcome,), _ = go([str(film)], config(), LiveOptions(records=str(path), record=video), figures)
    consistent(read(path))
    assert outcome.error is None
    assert outcome.seconds > 2.2, "it was played at its own pace"
    assert outcome.files == (video,)
    with av.open(str(video)) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert shown == outcome.live["shown"]
    assert shown + outcome.live["skipped"] == outcome.summary.frames.decoded


@pytest.mark.parametrize("server", [RtspServer, MjpegServer])
def test_a_camera_that_was_cut_comes_back_and_the_records_go_on(figures, server, tmp_path):
    path = tmp_path / "live.jsonl"
    with server(size=(320, 240), rate=20) as camera:

        def change_and_cut() -> None:
            camera.size = (160, 120)
            camera.cut()

        watcher = Watcher(path).when(frames_since(0, 10), change_and_cut).when(frames_since(1, 10), stop)
        (outcome,), said = go([camera.url], config(), LiveOptions(records=str(path), record=tmp_path / "a.mp4"), figures, watcher)
    records = read(path)
    consistent(records)
    (connection,) = [r for r in records if r["type"] == "connection"]
    assert (connection["source"]["width"], connection["source"]["height"]) == (160, 120)
    assert records[-1]["live"]["reconnects"] == 1
    assert any("lost the connection" in sentence for sentence in said)
    assert any("connected again" in sentence for sentence in said)
    assert len(outcome.files) == 2, "another size needs another file"
    for file, size in zip(outcome.files, ((320, 240), (160, 120)), strict=True):
        with av.open(str(file)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == size
            assert next(container.decode(stream)).key_frame


def test_cuts_in_a_row_leave_nothing_behind(figures, tmp_path):
    """Twenty of them are in the sources' own tests; here the whole runs, with a network for each connection."""
    path = tmp_path / "live.jsonl"
    cuts, left = 5, []
    with RtspServer(size=(160, 120), rate=20) as camera:

        def cut() -> None:
            left.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
            camera.cut()

        watcher = Watcher(path, 120)
        for part in range(cuts):
            watcher.when(frames_since(part, 21), cut)  # a connection of more than a second is waited for the short way again
        watcher.when(frames_since(cuts, 5), stop)
        (outcome,), _ = go([camera.url], config(), LiveOptions(records=str(path)), figures, watcher)
    assert outcome.live["reconnects"] == cuts
    consistent(read(path))
    assert max(threads for threads, _ in left) <= left[0][0] + 2, "the server may still be ending a connection"
    assert left[-1][1] <= left[0][1] + 2


def test_credentials_are_nowhere(figures, tmp_path):
    path = tmp_path / "live.jsonl"
    with RtspServer(size=(160, 120), rate=20, user="owner", password="s3cret") as camera:
        watcher = Watcher(path).when(frames_since(0, 3), camera.cut).when(frames_since(1, 3), stop)
        (outcome,), said = go([camera.url], config(), LiveOptions(records=str(path)), figures, watcher)
        assert "s3cret" in camera.url
    assert "s3cret" not in path.read_text() + repr(outcome) + "".join(said)


def test_a_camera_that_stalls_is_noticed(figures, tmp_path):
    path = tmp_path / "live.jsonl"
    with RtspServer(size=(160, 120), rate=20) as camera:

        def recover() -> None:
            camera.go()

        watcher = Watcher(path).when(frames_since(0, 5), camera.stall)
        lost: list[str] = []

        def check() -> None:
            watcher()
            if lost and not recovered:
                recovered.append(1)
                recover()
                watcher.when(frames_since(1, 5), stop)

        recovered: list[int] = []
        outcomes: list[Outcome] = []
        with pytest.raises(KeyboardInterrupt):
            watch(
                [camera.url],
                config(silence=0.7),
                LiveOptions(records=str(path)),
                figures,
                check=check,
                say=lambda text: lost.append(text) if "lost the connection" in text else None,
                ended=outcomes.append,
            )
    assert outcomes[0].live["reconnects"] == 1


def test_a_camera_that_is_never_there_is_an_input_error(figures, tmp_path):
    with RtspServer(size=(160, 120)) as camera:
        url = camera.url
    (outcome,), _ = go([url], config(deadline=1.0), LiveOptions(records=str(tmp_path / "no.jsonl")), figures)
    assert isinstance(outcome.error, InputError)
    assert outcome.error.exit_code == 4
    assert outcome.summary.frames.decoded == 0


def test_one_of_several_failing_leaves_the_others_running(figures, film, tmp_path):
    path = tmp_path / "live.jsonl"
    outcomes, said = go(
        [str(film), str(tmp_path / "missing.mp4"), "test:"], config(), LiveOptions(records=str(path), duration=2.0), figures
    )
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert outcomes[0].summary.frames.written > 30
    assert outcomes[2].summary.frames.written > 30
    cameras = {record["camera"] for record in read(path)}
    assert cameras == {0, 2}
    assert any("missing.mp4" in sentence for sentence in said)


@pytest.mark.parametrize("policy", ["latest", "drop-oldest"])
def test_what_comes_too_fast_is_in_gaps(figures, tmp_path, policy):
    path = tmp_path / "live.jsonl"
    (outcome,), _ = go(["test:size=160x120:rate=1500"], config(policy=policy), LiveOptions(records=str(path), max_frames=2500), figures)
    records = read(path)
    consistent(records)
    assert any(record["type"] == "gap" for record in records)
    assert outcome.summary.frames.dropped > 0


def test_the_end_comes_on_time_also_where_the_source_hangs(figures, tmp_path):
    path = tmp_path / "live.jsonl"
    with RtspServer(size=(160, 120), rate=20) as camera:
        watcher = Watcher(path).when(frames_since(0, 3), camera.stall)
        (outcome,), _ = go([camera.url], config(silence=30.0), LiveOptions(records=str(path), duration=2.0), figures, watcher)
    assert 2.0 <= outcome.seconds < 7.0
    assert read(path)[-1]["type"] == "summary"


def test_the_number_of_frames_is_kept(figures, tmp_path):
    (outcome,), _ = go(["test:size=160x120"], config(), LiveOptions(max_frames=17), figures)
    assert outcome.summary.frames.decoded == 17


def test_where_nothing_is_shown_the_numbers_are_said_now_and_then(figures, monkeypatch):
    monkeypatch.setattr("camreel.live.display.SPOKEN", 0.5)
    _, said = go(["test:size=160x120"], config(), LiveOptions(duration=2.0), figures)
    assert any(re.fullmatch(r"\d+ in, \d+ inferred, \d+ shown per second, \d+ ms, 95 % \d+ ms, \d+ dropped", one) for one in said)


def test_nothing_is_left_running(figures, tmp_path):
    def left() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    go(["test:size=160x120"], config(), LiveOptions(max_frames=5), figures)
    before = left()
    for _ in range(3):
        go(["test:size=160x120", "test:size=160x120"], config(), LiveOptions(max_frames=5, records=str(tmp_path / "r.jsonl")), figures)
    assert left() == before


def test_an_output_that_cannot_be_written_ends_the_run_before_it_begins(figures, tmp_path):
    from camreel.errors import OutputError

    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError):
        watch(["test:"], config(), LiveOptions(records=str(blocked / "r.jsonl")), figures)


@pytest.mark.parametrize(("network", "name"), [("figures", "advance"), ("tests.make:TinyRecognizer", "look")])
def test_the_network_works_for_several_cameras_at_once(network, name, monkeypatch):
    """Sample by sample where it remembers, else clip by clip."""
    from camreel.live import run as module

    batches: list[int] = []
    original = getattr(module, name)

    def counted(recognizer, requests):
        batches.append(len(requests))
        time.sleep(0.03)  # as if it were a large network: meanwhile the others ask, too
        return original(recognizer, requests)

    monkeypatch.setattr(module, name, counted)
    model = {"name": network, "precision": "float32", "clip_len": None if network == "figures" else 8}
    settings = Config.model_validate({**BASE, "model": model, "live": {"policy": "block"}})
    outcomes, _ = go(["test:size=160x120"] * 3, settings, LiveOptions(max_frames=60), load_recognizer(settings))
    assert [outcome.summary.frames.written for outcome in outcomes] == [60, 60, 60]
    assert max(batches) > 1
