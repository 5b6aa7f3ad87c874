"""Whole live runs: real servers over loopback, the bundled network, real files."""

from __future__ import annotations

import json
import logging
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
from camreel.live.session import Callbacks, Outcome, watch
from camreel.records import LINE
from tests.cameras import MjpegServer, RtspServer
from tests.test_flow import make_clip

BASE: dict[str, Any] = {
    "model": {"name": "figures", "precision": "float32"},
    "causal": True,
    "live": {"silence": 2.0, "deadline": 20.0},
}


def config(**live: Any) -> Config:
    return Config.model_validate({**BASE, "live": {**BASE["live"], **live}})


@pytest.fixture(scope="module")
def figures():
    return load_recognizer(config())


class Watcher:
    """Calls functions when the growing records fulfill a condition, while the run continues."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._at = 0
        self._steps: list[tuple[Callable[[list[dict[str, Any]]], bool], Callable[[], None]]] = []
        self._records: list[dict[str, Any]] = []

    def when(self, happens: Callable[[list[dict[str, Any]]], bool], act: Callable[[], None]) -> Watcher:
        self._steps.append((happens, act))
        return self

    def __call__(self) -> None:
        """Read the new records; to be given as `on_tick`."""
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
    """Return a condition: there are so many frames after the record of a connection."""

    def happens(records: list[dict[str, Any]]) -> bool:
        starts = [i for i, r in enumerate(records) if r["type"] == "header" or r.get("part") == part]
        return (
            bool(starts)
            and (part == 0 or len(starts) > 1)
            and sum(r["type"] == "frame" for r in records[starts[-1] :]) >= count
        )

    return happens


def read(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        LINE.validate_python(record)
    return records


Run = Callable[..., tuple[list[Outcome], list[str]]]


@pytest.fixture
def run(figures: Any, caplog: pytest.LogCaptureFixture) -> Run:
    """Run cameras; return the outcomes and the log messages for people."""
    caplog.set_level(logging.INFO, "camreel")

    def run(
        uris: Sequence[str],
        settings: Config,
        options: LiveOptions,
        on_tick: Callable[[], None] = lambda: None,
        recognizer: Any = figures,
    ) -> tuple[list[Outcome], list[str]]:
        outcomes: list[Outcome] = []
        caplog.clear()
        try:
            watch(uris, settings, options, recognizer, Callbacks(on_tick=on_tick, on_end=outcomes.append))
        except KeyboardInterrupt:
            assert outcomes, "the outcomes are reported after an interruption, too"
        return outcomes, caplog.messages

    return run


def consistent(records: Sequence[dict[str, Any]]) -> None:
    """Check that indices and times increase, and that gaps account for every missing frame."""
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


def test_a_file_gives_the_records_that_process_gives(run, figures, film, tmp_path):
    """The flow is the same: only the source's pace, the policy and the sinks differ."""
    live, file = tmp_path / "live.jsonl", tmp_path / "file.jsonl"
    settings = config(policy="block")
    run([str(film)], settings, LiveOptions(records=str(live), realtime=False))
    process(str(film), settings, video=None, records=file, recognizer=figures)
    one, other = ([r for r in read(path) if r["type"] == "frame"] for path in (live, file))
    assert one == other
    assert len(one) > 60


def test_every_frame_of_a_video_at_its_own_pace_is_localized_or_in_a_gap(run, film, tmp_path):
    path, video = tmp_path / "live.jsonl", tmp_path / "live.mp4"
    (outcome,), _ = run([str(film)], config(), LiveOptions(records=str(path), record=video))
    consistent(read(path))
    assert outcome.error is None
    assert outcome.seconds > 2.2, "it was played at its own pace"
    assert outcome.files == (video,)
    with av.open(str(video)) as container:
        shown = sum(1 for _ in container.decode(video=0))
    repeated = shown - outcome.live["shown"]
    assert repeated in (0, 1), "the last picture may come again with a message on it"
    assert outcome.live["shown"] + outcome.live["skipped"] == outcome.summary.frames.decoded


@pytest.mark.parametrize("server", [RtspServer, MjpegServer])
def test_a_camera_comes_back_after_a_cut_and_the_records_continue(run, server, tmp_path):
    path = tmp_path / "live.jsonl"
    with server(size=(320, 240), rate=20) as camera:

        def change_and_cut() -> None:
            camera.size = (160, 120)
            camera.cut()

        watcher = Watcher(path).when(frames_since(0, 10), change_and_cut).when(frames_since(1, 10), stop)
        (outcome,), messages = run(
            [camera.url], config(), LiveOptions(records=str(path), record=tmp_path / "a.mp4"), watcher
        )
    records = read(path)
    consistent(records)
    (connection,) = [r for r in records if r["type"] == "connection"]
    assert (connection["source"]["width"], connection["source"]["height"]) == (160, 120)
    assert records[-1]["live"]["reconnects"] == 1
    assert any("lost the connection" in sentence for sentence in messages)
    assert any("connected again" in sentence for sentence in messages)
    assert len(outcome.files) == 2, "another size needs another file"
    for file, size in zip(outcome.files, ((320, 240), (160, 120)), strict=True):
        with av.open(str(file)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == size
            assert next(container.decode(stream)).key_frame


def test_repeated_cuts_leave_no_threads_or_files_open(run, tmp_path):
    """Twenty of them are in the sources' own tests; here the whole runs, with a network for each connection."""
    path = tmp_path / "live.jsonl"
    cuts, left = 5, []
    with RtspServer(size=(160, 120), rate=20) as camera:

        def cut() -> None:
            left.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
            camera.cut()

        watcher = Watcher(path)
        for part in range(cuts):
            # After a connection of more than a second the delay before the next attempt is short again.
            watcher.when(frames_since(part, 21), cut)
        watcher.when(frames_since(cuts, 5), stop)
        (outcome,), _ = run([camera.url], config(), LiveOptions(records=str(path)), watcher)
    assert outcome.live["reconnects"] == cuts
    consistent(read(path))
    assert max(threads for threads, _ in left) <= left[0][0] + 2, "the server may still be ending a connection"
    assert left[-1][1] <= left[0][1] + 2


def test_credentials_are_in_no_output(run, tmp_path):
    path = tmp_path / "live.jsonl"
    with RtspServer(size=(160, 120), rate=20, user="owner", password="s3cret") as camera:
        watcher = Watcher(path).when(frames_since(0, 3), camera.cut).when(frames_since(1, 3), stop)
        (outcome,), messages = run([camera.url], config(), LiveOptions(records=str(path)), watcher)
        assert "s3cret" in camera.url
    assert "s3cret" not in path.read_text() + repr(outcome) + "".join(messages)


def test_a_camera_that_stalls_is_noticed(run, caplog, tmp_path):
    path = tmp_path / "live.jsonl"
    recovered = False
    with RtspServer(size=(160, 120), rate=20) as camera:
        watcher = Watcher(path).when(frames_since(0, 5), camera.stall)

        def on_tick() -> None:
            nonlocal recovered
            watcher()
            if not recovered and any("lost the connection" in message for message in caplog.messages):
                recovered = True
                camera.go()
                watcher.when(frames_since(1, 5), stop)

        (outcome,), _ = run([camera.url], config(silence=0.7), LiveOptions(records=str(path)), on_tick)
    assert outcome.live["reconnects"] == 1


def test_a_camera_that_never_answers_is_an_input_error(run, tmp_path):
    with RtspServer(size=(160, 120)) as camera:
        url = camera.url
    (outcome,), _ = run([url], config(deadline=1.0), LiveOptions(records=str(tmp_path / "no.jsonl")))
    assert isinstance(outcome.error, InputError)
    assert outcome.error.exit_code == 4
    assert outcome.summary.frames.decoded == 0


def test_one_of_several_failing_leaves_the_others_running(run, film, tmp_path):
    path = tmp_path / "live.jsonl"
    sources = [str(film), str(tmp_path / "missing.mp4"), "test:"]
    outcomes, messages = run(sources, config(policy="block"), LiveOptions(records=str(path), max_frames=40))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert [outcome.summary.frames.written for outcome in outcomes] == [40, 0, 40]
    cameras = {record["camera"] for record in read(path)}
    assert cameras == {0, 2}
    assert any("missing.mp4" in sentence for sentence in messages)


@pytest.mark.parametrize("policy", ["latest", "drop-oldest"])
def test_frames_that_come_too_fast_are_in_gaps(run, tmp_path, policy):
    path = tmp_path / "live.jsonl"
    (outcome,), _ = run(
        ["test:size=160x120:rate=1500"], config(policy=policy), LiveOptions(records=str(path), max_frames=2500)
    )
    records = read(path)
    consistent(records)
    assert any(record["type"] == "gap" for record in records)
    assert outcome.summary.frames.dropped > 0


def test_a_source_that_hangs_does_not_delay_the_end(run, tmp_path):
    path = tmp_path / "live.jsonl"
    with RtspServer(size=(160, 120), rate=20) as camera:
        watcher = Watcher(path).when(frames_since(0, 3), camera.stall)
        (outcome,), _ = run([camera.url], config(silence=30.0), LiveOptions(records=str(path), duration=2.0), watcher)
    assert 2.0 <= outcome.seconds < 7.0
    assert read(path)[-1]["type"] == "summary"


def test_the_run_ends_after_the_requested_number_of_frames(run, tmp_path):
    (outcome,), _ = run(["test:size=160x120"], config(), LiveOptions(max_frames=17))
    assert outcome.summary.frames.decoded == 17


def test_without_a_display_the_numbers_are_logged_from_time_to_time(run, monkeypatch):
    monkeypatch.setattr("camreel.live.display.LOG_SECONDS", 0.5)
    _, messages = run(["test:size=160x120"], config(), LiveOptions(duration=2.0))
    assert any(
        re.fullmatch(r"\d+ in, \d+ inferred, \d+ shown per second, \d+ ms, 95 % \d+ ms, \d+ dropped", one)
        for one in messages
    )


def test_no_threads_or_files_stay_open(run, tmp_path):
    def left() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    run(["test:size=160x120"], config(), LiveOptions(max_frames=5))
    before = left()
    for _ in range(3):
        run(
            ["test:size=160x120", "test:size=160x120"],
            config(),
            LiveOptions(max_frames=5, records=str(tmp_path / "r.jsonl")),
        )
    assert left() == before


def test_an_output_that_cannot_be_written_ends_the_run_before_it_starts(figures, tmp_path):
    from camreel.errors import OutputError

    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError):
        watch(["test:"], config(), LiveOptions(records=str(blocked / "r.jsonl")), figures)


@pytest.mark.parametrize(
    ("network", "name"), [("figures", "step_batch"), ("tests.make:TinyRecognizer", "backbone_batch")]
)
def test_the_network_runs_once_for_several_cameras(run, network, name, monkeypatch):
    """Sample by sample with stream state, else clip by clip."""
    from camreel.live import camera as module

    batches: list[int] = []
    original = getattr(module, name)

    def counted(recognizer, requests):
        batches.append(len(requests))
        time.sleep(0.03)  # as if it were a large network: meanwhile the others ask, too
        return original(recognizer, requests)

    monkeypatch.setattr(module, name, counted)
    model = {"name": network, "precision": "float32", "clip_len": None if network == "figures" else 8}
    settings = Config.model_validate({**BASE, "model": model, "live": {"policy": "block"}})
    outcomes, _ = run(
        ["test:size=160x120"] * 3, settings, LiveOptions(max_frames=60), recognizer=load_recognizer(settings)
    )
    assert [outcome.summary.frames.written for outcome in outcomes] == [60, 60, 60]
    assert max(batches) > 1
