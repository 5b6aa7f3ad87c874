"""The whole flow on real footage: contracts, faults at every stage, laziness, and nothing left open."""

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
import numpy as np
import pytest
import torch

import camreel
from camreel import flow
from camreel.config.schema import Config
from camreel.errors import ConfigError, InputError, ModelError, OutputError
from camreel.interfaces import LinearHead
from camreel.models.loading import load
from camreel.records import LINE
from tests.make import TinyRecognizer

LANE = "camreel-worker"
"""Name of the threads of the lanes."""
SHARED = Path(__file__).resolve().parents[1].parent / "shared"
FOOTAGE = sorted(
    p for folder in ("actions", "odd") for p in (SHARED / "footage" / folder).glob("*") if p.suffix != ".json"
)
UNREADABLE = {"empty.mp4", "truncated_no_index.mp4"}
QUICK = Config.model_validate({"localize": {"min_score": 0.0}, "model": {"precision": "float32"}})


def make_clip(path: Path, count: int = 90, size: tuple[int, int] = (160, 96), rate: int = 30) -> Path:
    """Write a small H.264 video of a moving texture."""
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
    folder = Path("/proc/self/fd")
    return {os.readlink(link) for link in folder.iterdir() if link.exists()}


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    """Check that each test leaves no thread and no open file."""
    before = {name for name in open_files() if name.endswith((".mp4", ".jsonl"))}
    yield
    assert lanes() == 0
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
        [sys.executable, shared / "check" / "output_contract.py", path, video, records],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr
    lines = records.read_text().splitlines()
    for line in lines:
        LINE.validate_json(line)
    assert summary.frames.decoded == summary.frames.written == len(lines) - 2
    assert summary.completeness_error < 1e-4
    assert not list(tmp_path.glob("*.partial.*"))


def test_mc3_18_in_clips_equals_mc3_18_on_the_whole_video(clip):
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


def test_a_bright_square_is_found_at_its_position(tmp_path):
    """Through decoding, shrinking, the network's geometry, stitching and resampling: the peak lies on the square."""

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


STAGES = [
    *("sample", "windows", "recognize", "stitch", "resample", "smooth"),
    *("foreground", "select", "refine", "localize", "link"),
]


class Fault(Exception):
    """An error that knows its time."""

    def __init__(self):
        self.when = time.monotonic()


class FaultyIterable:
    """Stand in for a source, or pass on the items of a stage, and raise after some items."""

    def __init__(self, real, after):
        self.real, self.after = real, after

    def __getattr__(self, name):
        return getattr(self.real, name)

    def __enter__(self):
        self.real.__enter__()
        return self

    def __exit__(self, *error):
        self.real.__exit__(*error)

    def __iter__(self):
        for i, item in enumerate(self.real):
            if i == self.after:
                raise Fault
            yield item


class FaultySink:
    """Stand in for a sink, and raise at the 41st frame."""

    def __init__(self, real):
        self.real, self.count = real, 0

    def __getattr__(self, name):
        return getattr(self.real, name)

    def write(self, localization):
        self.count += 1
        if self.count > 40:
            raise Fault
        self.real.write(localization)


class FaultyNetwork(TinyRecognizer):
    """A network that fails on its second clip."""

    def features(self, clips, keep=None):
        if len(self.seen) == 2:  # the first is for the shape of the maps
            raise Fault
        return super().features(clips, keep)


def inject_fault(place, monkeypatch):
    """Make a stage, the source or a sink of the flow raise `Fault` in the middle of the run."""
    if place in STAGES:
        real_stages, after = flow.build_stages, {"windows": 1, "recognize": 1}.get(place, 40)

        def faulty(stage):
            return dataclasses.replace(stage, run=lambda items: iter(FaultyIterable(stage.run(items), after)))

        def build_stages(*args, **kwargs):
            return [faulty(stage) if stage.name == place else stage for stage in real_stages(*args, **kwargs)]

        monkeypatch.setattr(flow, "build_stages", build_stages)
    elif place == "source":
        open_source = flow.open_source
        monkeypatch.setattr(
            flow, "open_source", lambda *args, **kwargs: FaultyIterable(open_source(*args, **kwargs), 40)
        )
    else:
        open_sink = flow.open_sink

        def open_faulty(path, role, header, config):
            name, sink = open_sink(path, role, header, config)
            return name, FaultySink(sink) if role == place else sink

        monkeypatch.setattr(flow, "open_sink", open_faulty)


def test_every_stage_of_the_flow_has_a_test_with_a_fault(clip):
    with flow.open_source(str(clip)) as source:
        plan = flow.make_plan(source.info, TinyRecognizer(), QUICK)
    assert [stage.name for stage in flow.build_stages(plan)] == STAGES


@pytest.mark.parametrize("place", [*STAGES, "source", "network", "records", "video"])
def test_a_fault_anywhere_ends_at_once_closes_everything_and_leaves_valid_files(place, clip, tmp_path, monkeypatch):
    recognizer = TinyRecognizer()
    if place == "network":
        recognizer = FaultyNetwork()
    else:
        inject_fault(place, monkeypatch)
    config = Config.model_validate(QUICK.model_dump() | {"model": {"clip_len": 20, "precision": "float32"}})
    with pytest.raises(Fault) as caught:
        flow.process(
            str(clip), config, video=tmp_path / "out.mp4", records=tmp_path / "out.jsonl", recognizer=recognizer
        )
    assert time.monotonic() - caught.value.when < 2
    assert not (tmp_path / "out.mp4").exists() and not (tmp_path / "out.jsonl").exists()
    lines = [json.loads(line) for line in (tmp_path / "out.partial.jsonl").read_text().splitlines()]
    assert lines[0]["type"] == "header"
    assert [line["index"] for line in lines[1:]] == list(range(len(lines) - 1))
    if len(lines) > 2:
        with av.open(str(tmp_path / "out.partial.mp4")) as container:
            assert abs(sum(1 for _ in container.decode(video=0)) - (len(lines) - 1)) <= 1


def test_ctrl_c_finishes_the_outputs_with_the_open_segments(clip, tmp_path):
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


def lanes() -> int:
    return sum(thread.name == LANE for thread in threading.enumerate())


def is_open(path: Path) -> bool:
    return str(path) in open_files()


ONE_BY_ONE = Config.model_validate({"model": {"clip_len": 12, "precision": "float32"}, "smooth": {"name": "none"}})


def test_localize_is_lazy_and_closes_everything_when_closed(clip):
    recognizer = TinyRecognizer(clip_len=8)
    found = camreel.localize(str(clip), config=ONE_BY_ONE, recognizer=recognizer)
    assert len(recognizer.seen) == 1  # for the shape of its maps, without arithmetic
    first = next(found)
    assert first.frame.index == 0 and first.frame.time == 0
    assert lanes() == 2 and is_open(clip)
    found.close()
    assert lanes() == 0 and not is_open(clip)
    assert list(found) == []
    found.close()


def test_localize_knows_the_video_at_once_and_the_summary_at_the_end(clip):
    found = camreel.localize(str(clip), config=QUICK, recognizer=TinyRecognizer())
    assert iter(found) is found
    assert (found.info.width, found.info.height, found.info.frames) == (160, 96, 90)
    assert found.plan.recognizer.name == "tiny" and found.notes == [] and found.summary is None
    assert len(list(found)) == 90
    assert found.summary is not None and found.summary.frames.written == found.summary.frames.decoded == 90
    assert found.summary.tracks and found.summary.fallbacks == ()
    assert not is_open(clip)


class NanRecognizer(TinyRecognizer):
    """A network that returns NaN on its second clip."""

    def features(self, clips, keep=None):
        made = super().features(clips, keep)
        if len(self.seen) == 3:  # the first is for the shape of the maps
            made.maps[:] = float("nan")
        return made


def test_a_fallback_appears_in_the_notes_of_localize(clip):
    found = camreel.localize(str(clip), config=ONE_BY_ONE, recognizer=NanRecognizer())
    next(found)
    for _ in found:
        pass
    (note,) = found.notes
    assert "the network returned NaN on frames" in note
    assert found.summary is not None and found.summary.fallbacks == (note,)


def test_an_abandoned_localization_closes_everything(clip):
    found = camreel.localize(str(clip), config=ONE_BY_ONE, recognizer=TinyRecognizer())
    next(found)
    assert lanes() == 2 and is_open(clip)
    del found
    assert lanes() == 0 and not is_open(clip)


def test_a_localization_that_is_never_iterated_closes_the_video(clip):
    found = camreel.localize(str(clip), config=ONE_BY_ONE, recognizer=TinyRecognizer())
    assert is_open(clip)
    del found
    assert not is_open(clip)


def test_a_localization_that_fails_closes_everything(clip):
    found = camreel.localize(str(clip), config=ONE_BY_ONE, recognizer=FaultyNetwork())
    with pytest.raises(Fault):
        list(found)
    assert lanes() == 0 and not is_open(clip) and found.summary is None


def test_localize_takes_classes_and_refuses_unknown_ones_with_the_nearest(clip):
    recognizer = TinyRecognizer()
    out = list(camreel.localize(str(clip), classes=["class 3", "1"], config=QUICK, recognizer=recognizer))
    assert {a.class_id for loc in out for a in loc.actions} == {1, 3}
    with pytest.raises(ConfigError, match="class 3"):
        camreel.localize(str(clip), classes=["clas 3"], config=QUICK, recognizer=recognizer)


def test_a_wrong_linear_head_fails_the_run_with_the_name_of_the_network(clip, tmp_path):
    class Wrong(TinyRecognizer):
        @property
        def linear(self):
            return LinearHead(self.fc.weight, self.fc.bias + 1)

    with pytest.raises(ModelError, match="the maps of mine do not add up to its logits") as caught:
        flow.process(str(clip), QUICK, records=tmp_path / "out.jsonl", recognizer=Wrong(name="mine"))
    assert caught.value.exit_code == 6 and not (tmp_path / "out.jsonl").exists()


GAUSSIAN = Config.model_validate(QUICK.model_dump() | {"smooth": {"name": "gaussian"}, "causal": True})


def test_gaussian_smoothing_is_refused_in_a_causal_run_before_any_work(clip, tmp_path):
    recognizer = TinyRecognizer()
    with pytest.raises(ConfigError, match="smoothing gaussian cannot be causal"):
        flow.process(str(clip), GAUSSIAN, records=tmp_path / "out.jsonl", recognizer=recognizer)
    assert list(tmp_path.iterdir()) == [] and len(recognizer.seen) == 1
    with pytest.raises(ConfigError, match="use --smooth flow or --smooth ema"):
        camreel.localize(str(clip), config=GAUSSIAN, recognizer=recognizer)


@pytest.mark.parametrize(("causal", "lag"), [(True, 0.0), (False, 1.5)])
def test_the_header_states_how_far_the_smoothing_looks_ahead(clip, tmp_path, causal, lag):
    config = QUICK.model_copy(update={"causal": causal})
    flow.process(str(clip), config, records=tmp_path / "out.jsonl", recognizer=TinyRecognizer())
    header = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert header["smoothing"] == {"name": "flow", "lag": lag}


def test_an_output_that_cannot_be_written_fails_before_the_first_frame(clip, tmp_path):
    (tmp_path / "file").write_text("")
    recognizer = TinyRecognizer()
    with pytest.raises(OutputError):
        flow.process(str(clip), QUICK, video=None, records=tmp_path / "file" / "out.jsonl", recognizer=recognizer)
    assert len(recognizer.seen) == 1  # for the shape of its maps, without arithmetic


def test_start_and_end_select_a_part_with_the_times_of_the_source(clip, tmp_path):
    config = QUICK.model_copy(update={"start": 1.0, "end": 2.0})
    flow.process(
        str(clip), config, video=tmp_path / "out.mp4", records=tmp_path / "out.jsonl", recognizer=TinyRecognizer()
    )
    frames = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()][1:-1]
    assert [f["index"] for f in frames] == list(range(30))
    assert frames[0]["time"] == pytest.approx(1.0)
    assert frames[-1]["time"] == pytest.approx(2.0 - 1 / 30)


def test_progress_counts_the_selected_part(clip):
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
            plan = make_plan(source.info, recognizer, Config.model_validate({"model": {"precision": "float32"}}))
        assert plan.method == ("cam" if recognizer.linear else "gradcam")
        assert plan.windowing.stride % recognizer.geometry.jump[0] == 0


def test_the_description_of_a_run_names_the_video_without_loading_a_network(clip):
    from camreel.run_plan import describe_run
    from camreel.sources import open_source

    with open_source(str(clip)) as source:
        lines = describe_run(source.info, source.notes, Config())
    assert "h264 160x96" in lines[0] and "30.000 frames per second" in lines[0] and "3.00 s" in lines[0]
    assert "mc3_18" in lines[-1]
