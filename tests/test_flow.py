"""The whole flow on real footage: contracts, faults at every stage, laziness, nothing left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import cv2

import av  # isort: skip
import camreel
import numpy as np
import pytest
import torch
from camreel import flow
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError, OutputError
from camreel.models.loading import load
from camreel.records import LINE

from tests.make import TinyRecognizer

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
FOOTAGE = sorted(p for folder in ("actions", "odd") for p in (SHARED / "footage" / folder).glob("*") if p.suffix != ".json")
UNREADABLE = {"empty.mp4", "truncated_no_index.mp4"}
QUICK = Config.model_validate({"localize": {"min_score": 0.0}, "model": {"precision": "float32"}})


def make_clip(path: Path, count: int = 90, size: tuple[int, int] = (160, 96), rate: int = 30) -> Path:
    """A small H.264 video of a moving texture."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (size[1], size[0] * 2)).astype(np.uint8), (0, 0), 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for i in range(count):
            gray = np.ascontiguousarray(texture[:, i % size[0] : i % size[0] + size[0]])
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("flow") / "clip.mp4")


def open_files() -> set[str]:
    return {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = {name for name in open_files() if name.endswith((".mp4", ".jsonl"))}
    yield
    assert [t.name for t in threading.enumerate() if t.name == "camreel-lane"] == []
    assert {name for name in open_files() if name.endswith((".mp4", ".jsonl"))} <= before


@pytest.mark.footage
def test_the_real_footage_is_there(shared):
    assert len(FOOTAGE) > 30


@pytest.mark.footage
@pytest.mark.parametrize("path", FOOTAGE, ids=lambda p: p.name)
def test_the_output_contract_holds_on_real_footage(path, tmp_path, shared):
    video, records = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    if path.name in UNREADABLE:
        with pytest.raises(InputError) as caught:
            flow.process(str(path), QUICK, video=video, records=records, recognizer=TinyRecognizer())
        assert caught.value.exit_code == 4
        assert len(caught.value.what.splitlines()) == 1 and path.name in caught.value.what
        assert list(tmp_path.iterdir()) == []
        return
    summary = flow.process(str(path), QUICK, video=video, records=records, recognizer=TinyRecognizer())
    check = subprocess.run(
        [sys.executable, shared / "check" / "output_contract.py", path, video, records], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
    lines = records.read_text().splitlines()
    for line in lines:
        LINE.validate_json(line)
    assert summary.frames.decoded == summary.frames.written == len(lines) - 2
    assert summary.completeness_error < 1e-4
    assert not list(tmp_path.glob("*.partial.*"))


def test_mc3_18_in_chunks_equals_mc3_18_on_the_whole_video(clip):
    recognizer = load("mc3_18", "random")

    def run(clip_len, batch):
        model = {"clip_len": clip_len, "batch": batch, "precision": "float32", "size": 32}
        config = Config.model_validate(
            {"model": model, "smooth": {"name": "none"}, "localize": {"classes": ("3", "7"), "min_score": 0.0}}
        )
        return list(flow.localize(str(clip), config=config, recognizer=recognizer))

    whole = run(64, 1)
    assert len(whole) == 90
    for clip_len, batch in ((16, 1), (21, 3)):
        chunks = run(clip_len, batch)
        for a, b in zip(whole, chunks, strict=True):
            assert a.frame.pts == b.frame.pts
            for x, y in zip(a.actions, b.actions, strict=True):
                assert x.class_id == y.class_id
                assert abs(x.logit - y.logit) <= 1e-5
                np.testing.assert_allclose(x.saliency * x.scale, y.saliency * y.scale, atol=1e-4 * x.scale)


def test_a_bright_square_is_found_where_it_is(tmp_path):
    """Through decoding, shrinking, the network's geometry, stitching and projection: the peak lies on the square."""

    class Bright(TinyRecognizer):
        def __post_init__(self):
            super().__post_init__()
            self.body = torch.nn.AvgPool3d((1, 4, 4), (1, 4, 4))
            self.fc = torch.nn.Linear(3, 2).requires_grad_(False)
            self.fc.weight[:] = torch.tensor([[1.0, 1, 1], [-1.0, -1, -1]])
            self.fc.bias[:] = torch.tensor([9.0, -9.0])
            self.classes = ("bright", "dark")
            self.geometry = dataclasses.replace(self.geometry, start=(0, 1.5, 1.5), margin=0)

    path = tmp_path / "square.mp4"
    places = [(40 + 6 * i, 150 - 2 * i) for i in range(40)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=15, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for x, y in places:
            gray = np.full((180, 320), 30, np.uint8)
            gray[y - 12 : y + 12, x - 12 : x + 12] = 230
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    for smoothing in ("none", "flow"):
        config = Config.model_validate(
            {"model": {"size": 90, "precision": "float32"}, "smooth": {"name": smoothing}, "localize": {"top_k": 1}}
        )
        found = [loc.actions[0].peak for loc in flow.localize(str(path), config=config, recognizer=Bright())]
        errors = np.abs(np.array(found) - np.array(places) + 0.5)
        assert errors.max() < 16, smoothing
        assert errors.mean() < 5, smoothing


STAGES = ["sample", "windows", "recognize", "stitch", "project", "locate"]


@pytest.mark.parametrize("stage", [*STAGES, "link", "source", "smooth", "network", "records", "video"])
def test_a_fault_in_any_stage_ends_at_once_closes_all_and_leaves_valid_files(stage, clip, tmp_path, monkeypatch):
    class Fault(Exception):
        def __init__(self):
            self.when = time.monotonic()

    after = {"windows": 1, "recognize": 1, "network": 1}.get(stage, 40)

    def faulty(items):
        for i, item in enumerate(items):
            if i == after:
                raise Fault
            yield item

    recognizer = TinyRecognizer()
    if stage in STAGES:
        real = getattr(flow, stage)
        monkeypatch.setattr(flow, stage, lambda items, *args, **kwargs: faulty(real(items, *args, **kwargs)))
    elif stage == "smooth":
        real_flow = flow.SMOOTHERS["flow"]

        class Faulty:
            lag = 1.2

            def __call__(self, items):
                return faulty(real_flow(0.2, False)(items))

        monkeypatch.setitem(flow.SMOOTHERS, "flow", lambda seconds, causal: Faulty())
    elif stage == "link":
        real_call = flow.Linker.__call__
        monkeypatch.setattr(flow.Linker, "__call__", lambda self, items: faulty(real_call(self, items)))
    elif stage == "source":
        from camreel.sources.file import FileSource

        real_iter = FileSource.__iter__
        monkeypatch.setattr(FileSource, "__iter__", lambda self: faulty(real_iter(self)))
    elif stage == "network":
        calls = []

        def broken(clips, keep=None):
            calls.append(1)
            if len(calls) > 2:  # the first is for the shape of the maps
                raise Fault
            return TinyRecognizer.features(recognizer, clips, keep)

        recognizer.features = broken
    else:
        sink = {"records": flow.JsonSink, "video": flow.VideoSink}[stage]
        real_write, count = sink.write, []

        def write(self, localization):
            count.append(1)
            if len(count) > 40:
                raise Fault
            real_write(self, localization)

        monkeypatch.setattr(sink, "write", write)

    config = Config.model_validate(QUICK.model_dump() | {"model": {"clip_len": 20, "precision": "float32"}})
    with pytest.raises(Fault) as caught:
        flow.process(str(clip), config, video=tmp_path / "out.mp4", records=tmp_path / "out.jsonl", recognizer=recognizer)
    assert time.monotonic() - caught.value.when < 2
    assert not (tmp_path / "out.mp4").exists() and not (tmp_path / "out.jsonl").exists()
    lines = [json.loads(line) for line in (tmp_path / "out.partial.jsonl").read_text().splitlines()]
    assert lines[0]["type"] == "header"
    assert [line["index"] for line in lines[1:]] == list(range(len(lines) - 1))
    if len(lines) > 2:
        with av.open(str(tmp_path / "out.partial.mp4")) as container:
            assert abs(sum(1 for _ in container.decode(video=0)) - (len(lines) - 1)) <= 1


def test_ctrl_c_finishes_the_outputs_with_what_is_still_going_on(clip, tmp_path):
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 50:
            raise KeyboardInterrupt

    config = Config.model_validate(
        {"link": {"enter": 0.01, "leave": 0.01}, "localize": {"min_score": 0.0}, "model": {"clip_len": 20}}
    )
    with pytest.raises(KeyboardInterrupt):
        flow.process(
            str(clip),
            config,
            video=tmp_path / "out.mp4",
            records=tmp_path / "out.jsonl",
            on_progress=stop,
            recognizer=TinyRecognizer(),
        )
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(records) == 52
    summary = records[-1]
    assert summary["frames"]["written"] == 50
    assert summary["frames"]["decoded"] == summary["frames"]["written"] + summary["frames"]["dropped"]
    assert summary["segments"] and all(1.5 < s["end"] < 1.8 for s in summary["segments"])
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50


def test_localize_is_lazy_and_closes_everything_when_abandoned(clip):
    recognizer = TinyRecognizer(clip_len=8)
    config = Config.model_validate({"model": {"clip_len": 12, "precision": "float32"}, "smooth": {"name": "none"}})
    stream = camreel.localize(str(clip), config=config, recognizer=recognizer)
    assert recognizer.seen == []
    first = next(stream)
    assert first.frame.index == 0 and first.frame.time == 0
    assert len([t for t in threading.enumerate() if t.name == "camreel-lane"]) == 2
    stream.close()


def test_localize_takes_classes_and_refuses_unknown_ones_with_the_nearest(clip):
    recognizer = TinyRecognizer()
    out = list(camreel.localize(str(clip), classes=["class 3", "1"], config=QUICK, recognizer=recognizer))
    assert {a.class_id for loc in out for a in loc.actions} == {1, 3}
    with pytest.raises(ConfigError, match="class 3"):
        next(camreel.localize(str(clip), classes=["clas 3"], config=QUICK, recognizer=recognizer))


def test_an_output_that_cannot_be_written_fails_before_the_first_frame(clip, tmp_path):
    (tmp_path / "file").write_text("")
    recognizer = TinyRecognizer()
    with pytest.raises(OutputError):
        flow.process(str(clip), QUICK, video=None, records=tmp_path / "file" / "out.jsonl", recognizer=recognizer)
    assert len(recognizer.seen) == 1  # for the shape of its maps, without arithmetic


def test_start_and_end_take_a_part_with_the_sources_own_times(clip, tmp_path):
    config = QUICK.model_copy(update={"start": 1.0, "end": 2.0})
    flow.process(str(clip), config, video=tmp_path / "out.mp4", records=tmp_path / "out.jsonl", recognizer=TinyRecognizer())
    frames = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()][1:-1]
    assert [f["index"] for f in frames] == list(range(30))
    assert frames[0]["time"] == pytest.approx(1.0)
    assert frames[-1]["time"] == pytest.approx(2.0 - 1 / 30)


def test_progress_counts_the_part_that_is_asked_for(clip):
    seen = []
    config = QUICK.model_copy(update={"start": 1.0, "end": 2.0})
    flow.process(str(clip), config, video=None, records=None, recognizer=TinyRecognizer(), on_progress=seen.append)
    assert seen[-1].frames == 30
    assert seen[-1].duration == pytest.approx(1.0)
    assert seen[-1].time == pytest.approx(1.0 - 1 / 30)


def test_maps_of_a_larger_size_have_a_finer_grid(clip, tmp_path):
    config = Config.model_validate(
        {"model": {"map_size": 48, "precision": "float32"}, "localize": {"min_score": 0.0, "refine": "guided"}}
    )
    recognizer = TinyRecognizer()
    flow.process(str(clip), config, video=None, records=tmp_path / "out.jsonl", recognizer=recognizer)
    header = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert header["grid"] == [12, 20]
    assert {shape[3] for shape in recognizer.seen} == {24, 48}


def test_method_and_stride_follow_the_network(clip):
    from camreel.run_plan import make_plan
    from camreel.sources import open_source

    for name in ("mobilenet_v3_small", "s3d"):
        recognizer = load(name, "random")
        with open_source(str(clip)) as source:
            settings = make_plan(source.info, recognizer, Config.model_validate({"model": {"precision": "float32"}}))
        assert settings.method == ("cam" if recognizer.linear else "gradcam")
        assert settings.stride % recognizer.geometry.jump[0] == 0


def test_the_plan_names_what_is_in_the_file_without_loading_a_network(clip):
    lines = flow.plan(str(clip), Config())
    assert "h264 160x96" in lines[0] and "30.000 frames per second" in lines[0] and "3.00 s" in lines[0]
    assert "mc3_18" in lines[-1]
