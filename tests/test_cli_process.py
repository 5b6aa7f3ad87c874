"""`camreel process` with a flow that writes small files at once: paths of outputs, messages and exit codes."""

from __future__ import annotations

import os
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from camreel.cli.batch import Terminated
from camreel.cli.outputs import plan_outputs
from camreel.config.schema import Config
from camreel.errors import CamreelError, ConfigError, DeviceError, InputError, ModelError, OutputError
from camreel.structures import Counts, Summary
from tests.command_line import CommandLine, Outcome
from tests.test_flow import make_clip

SUMMARY = Summary(Counts(30, 30, 0, 0, 15), (), (), 1e-6, {"decode": 0.1}, ("audio is left out",))


@dataclass(frozen=True)
class Progress:
    """The same fields as the flow's."""

    uri: str
    frames: int = 30
    total: int | None = 60
    time: float = 1.25
    duration: float | None = 2.0
    elapsed: float = 0.5
    fps: float = 60.0


@dataclass
class Flow:
    """A stub of `camreel.flow` that records its calls."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    loaded: list[Config] = field(default_factory=list)
    raises: dict[str, BaseException] = field(default_factory=dict)
    """File name -> error of processing it; "model": error of loading the network."""

    def process(
        self, uri: str, config: Config, *, video: Path | None, records: Path | None, on_progress: Any, recognizer: Any
    ) -> Summary:
        self.calls.append({"uri": uri, "config": config, "video": video, "records": records, "recognizer": recognizer})
        error = self.raises.get(Path(uri).name)
        if error and not isinstance(error, KeyboardInterrupt):
            raise error
        on_progress(Progress(uri))
        for path in (video, records):
            if path is not None and str(path) != "-":
                path.write_text(f"of {uri}")
            elif path is not None:
                sys.stdout.write('{"type": "header"}\n')
        if error:
            raise error
        return SUMMARY

    def load_recognizer(self, config: Config) -> str:
        self.loaded.append(config)
        if "model" in self.raises:
            raise self.raises["model"]
        return "recognizer"


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Flow:
    """The stub in place of the flow, in an empty folder."""
    stub = Flow()
    module = types.ModuleType("camreel.flow")
    module.__dict__.update(process=stub.process, load_recognizer=stub.load_recognizer)
    monkeypatch.setitem(sys.modules, "camreel.flow", module)
    monkeypatch.chdir(tmp_path)
    return stub


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


def clips(*names: str) -> None:
    """Create empty files: the stub does not read them."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def tree() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_file()}


# -- paths of the outputs


def test_outputs_lie_beside_the_input(flow: Flow, run: CommandLine) -> None:
    clips("in/clip.mov")
    outcome = run("process", "in/clip.mov")
    assert outcome.code == 0
    assert tree() == {"in/clip.mov", "in/clip.camreel.mp4", "in/clip.camreel.jsonl"}
    assert outcome.out == ""
    assert "clip.mov -> in/clip.camreel.mp4 and in/clip.camreel.jsonl" in outcome.err
    assert "30 frames" in outcome.err and "0 segments" in outcome.err and "completeness error 1e-06" in outcome.err
    assert "note: audio is left out" in outcome.err


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["-o", "x.mp4"], {"x.mp4", "x.jsonl"}),
        (["-o", "new/x.mkv"], {"new/x.mkv", "new/x.jsonl"}),
        (["-o", "out/"], {"out/clip.camreel.mp4", "out/clip.camreel.jsonl"}),
        (["-o", "there"], {"there/clip.camreel.mp4", "there/clip.camreel.jsonl"}),
        (["--json", "r.json"], {"clip.camreel.mp4", "r.json"}),
        (["--json", "r.jsonl", "-o", "x.mp4"], {"x.mp4", "r.jsonl"}),
        (["--records", "r.json"], {"clip.camreel.mp4", "r.json"}),
        (["--records", "-", "--no-video"], set()),
        (["--json", "out/"], {"clip.camreel.mp4", "out/clip.camreel.jsonl"}),
        (["--json", "-"], {"clip.camreel.mp4"}),
        (["--json", "-", "--no-video"], set()),
        (["--no-json"], {"clip.camreel.mp4"}),
        (["--no-video"], {"clip.camreel.jsonl"}),
        (["--no-json", "-o", "x.mp4"], {"x.mp4"}),
        (["--no-video", "-o", "out/"], {"out/clip.camreel.jsonl"}),
    ],
)
def test_outputs_go_where_the_flags_say(flow: Flow, run: CommandLine, words: list[str], made: set[str]) -> None:
    clips("clip.mp4")
    Path("there").mkdir()
    assert run("process", "clip.mp4", *words).code == 0
    assert tree() - {"clip.mp4"} == made


def test_standard_output_carries_only_the_records(flow: Flow, run: CommandLine) -> None:
    clips("clip.mp4")
    outcome = run("process", "clip.mp4", "--json", "-", "-v")
    assert outcome.out == '{"type": "header"}\n'
    assert "standard output" in outcome.err


def test_inputs_that_would_share_a_name_get_numbers(flow: Flow, run: CommandLine) -> None:
    clips("a/x.mp4", "b/x.avi", "b/x.mp4", "b/y.mp4")
    assert run("process", "a/x.mp4", "b/x.avi", "b/x.mp4", "b/y.mp4", "-o", "out").code == 0
    assert {path for path in tree() if path.startswith("out")} == {
        f"out/{name}.camreel.{suffix}" for name in ("x", "x-2", "x-3", "y") for suffix in ("mp4", "jsonl")
    }
    assert Path("out/x-2.camreel.mp4").read_text() == "of b/x.avi"


def test_inputs_of_the_same_name_beside_each_other_get_numbers(flow: Flow, run: CommandLine) -> None:
    clips("x.mp4", "x.avi")
    assert run("process", "x.mp4", "x.avi").code == 0
    assert Path("x-2.camreel.mp4").read_text() == "of x.avi"


def test_an_input_that_is_named_twice_is_processed_once(flow: Flow, run: CommandLine) -> None:
    clips("x.mp4")
    assert run("process", "x.mp4", "./x.mp4", ".").code == 0
    assert len(flow.calls) == 1


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("0", "camera-0"),
        ("-", "stdin"),
        ("rtsp://me:secret@host:554/cam/1?token=x", "host-554-cam-1"),
        ("rtsp://cam/user=a_password=secret_channel=1", "cam-user-a_password-_channel-1"),
        ("udp://@:1234", "camera-1234"),
        ("http://h/live.m3u8", "h-live.m3u8"),
        ("test:640x360", "test-640x360"),
        ("dir.d/v1.2.mp4", "v1.2"),
    ],
)
def test_outputs_of_cameras_and_streams_are_named_in_the_current_folder(uri: str, name: str) -> None:
    (job,) = plan_outputs([uri], None, None)
    assert job.video is not None and job.video.name == f"{name}.camreel.mp4"
    assert "secret" not in str(job.paths) and "token" not in str(job.paths)


# -- refused before any work starts


def refused(flow: Flow, outcome: Outcome, *words: str) -> None:
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ") and "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
    assert flow.loaded == [] and flow.calls == []


def test_an_output_that_exists_is_not_overwritten(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4", "b.mp4", "b.camreel.jsonl")
    refused(flow, run("process", "a.mp4", "b.mp4"), "b.camreel.jsonl already exists", "--overwrite", "--skip-existing")
    assert tree() == {"a.mp4", "b.mp4", "b.camreel.jsonl"}


def test_an_output_that_exists_is_overwritten_on_request(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4", "a.camreel.mp4")
    assert run("process", "a.mp4", "--overwrite").code == 0
    assert Path("a.camreel.mp4").read_text() == "of a.mp4"


def test_inputs_with_all_outputs_can_be_skipped(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4", "b.mp4", "a.camreel.mp4", "a.camreel.jsonl")
    outcome = run("process", "a.mp4", "b.mp4", "--skip-existing")
    assert outcome.code == 0
    assert [call["uri"] for call in flow.calls] == ["b.mp4"]
    assert "a.mp4: skipped, a.camreel.mp4 and a.camreel.jsonl exist" in outcome.err
    again = run("process", "a.mp4", "b.mp4", "--skip-existing")
    assert again.code == 0 and len(flow.calls) == 1 and len(flow.loaded) == 1, (
        "the network is not loaded if there is nothing to do"
    )


def test_an_input_with_one_of_two_outputs_is_neither_skipped_nor_overwritten(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4", "a.camreel.mp4")
    refused(flow, run("process", "a.mp4", "--skip-existing"), "only some")
    assert run("process", "a.mp4", "--skip-existing", "--overwrite").code == 0
    assert len(flow.calls) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "-o", "a.mp4", "--overwrite"], "would be written over"),
        (["a.mp4", "b.mp4", "--json", "x.json"], "--json x/"),
        (["a.mp4", "b.mp4", "-o", "x.mp4"], "-o x/"),
        (["a.mp4", "--no-video", "--no-json"], "nothing to write"),
        (["a.mp4", "-o", "x"], "x.mp4 for a file or x/ for a folder"),
        (["a.mp4", "-o", "x.jsonl"], "--json x.jsonl"),
        (["a.mp4", "--json", "x.txt"], ".jsonl"),
        (["a.mp4", "--style", "heatmp"], "did you mean 'heatmap'?"),
        (["a.mp4", "--top-k", "none"], "an integer (at least 1)"),
        (["a.mp4", "--set", "modle.name=x"], "model.name"),
        (["a.mp4", "-c", "nope"], "nope"),
        (["a.mp4", "--start", "3", "--end", "0:02"], "not after start"),
        (["a.mp4", "--progress", "bars"], "did you mean 'bar'?"),
    ],
)
def test_an_impossible_request_is_refused_at_once(flow: Flow, run: CommandLine, words: list[str], message: str) -> None:
    clips("a.mp4", "b.mp4")
    refused(flow, run("process", *words), message)
    assert tree() == {"a.mp4", "b.mp4"}


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_an_output_that_links_to_an_input_is_refused(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4")
    os.symlink("a.mp4", "link.mp4")
    refused(flow, run("process", "a.mp4", "-o", "link.mp4", "--overwrite"), "would be written over")


def test_a_folder_that_cannot_be_created_fails_before_the_network_is_loaded(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4", "file")
    outcome = run("process", "a.mp4", "-o", "file/out/")
    assert outcome.code == 5 and "cannot make the folder" in outcome.err
    assert flow.loaded == []


@pytest.mark.parametrize("words", [["process"], ["frob"], ["process", "a.mp4", "--frob"]])
def test_wrong_usage_has_exit_code_2(run: CommandLine, words: list[str]) -> None:
    assert run(*words).code == 2


def test_a_file_in_place_of_a_command_suggests_process(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4")
    refused(flow, run("a.mp4"), "camreel process a.mp4")


def test_a_dry_run_prints_the_plan_and_writes_nothing(flow: Flow, run: CommandLine) -> None:
    make_clip(Path("a.mp4"), 30, (96, 64))
    outcome = run("process", "a.mp4", "--dry-run", "-o", "out/", "--model", "s3d")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "a.mp4: h264 96x64, 30.000 frames per second, 1.00 s",
        "  model s3d (default weights), smoothing flow, style heatmap",
        "  writes out/a.camreel.mp4 and out/a.camreel.jsonl",
    ]
    assert tree() == {"a.mp4"} and not Path("out").exists()
    assert flow.loaded == [] and flow.calls == []


# -- settings


def test_flags_reach_the_flow(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4")
    Path("my.yaml").write_text("video:\n  crf: 30\n  style: boxes\n")
    words = (
        "-c my.yaml --set video.opacity=0.4 --set localize.top_k=2 --top-k 4 --style contour --no-audio --smooth none"
    )
    outcome = run(
        "process",
        "a.mp4",
        *words.split(),
        "--trust-pickle",
        "--classes",
        "black swan,3",
        "--classes",
        "goose",
        "--start",
        "0:01",
        "--end",
        "2.5s",
    )
    assert outcome.code == 0
    config = flow.calls[0]["config"]
    assert (config.video.crf, config.video.style, config.video.opacity, config.video.audio) == (
        30,
        "contour",
        0.4,
        False,
    )
    assert (config.localize.top_k, config.localize.classes) == (4, ("black swan", "3", "goose"))
    assert (config.smooth.name, config.model.trust_pickle, config.start, config.end) == ("none", True, 1.0, 2.5)
    assert flow.loaded == [config]
    assert flow.calls[0]["recognizer"] == "recognizer"


# -- errors, messages and exit codes


ERRORS = [
    (InputError, 4),
    (OutputError, 5),
    (ModelError, 6),
    (DeviceError, 7),
    (ConfigError, 2),
    (CamreelError, 1),
    (ValueError, 1),
]


@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_the_error_of_a_single_input_gives_the_exit_code(
    flow: Flow, run: CommandLine, kind: type[Exception], code: int
) -> None:
    clips("a.mp4")
    flow.raises["a.mp4"] = kind("it broke")
    outcome = run("process", "a.mp4")
    assert outcome.code == code
    assert "it broke" in outcome.err and "Traceback" not in outcome.err
    assert ("this is a bug" in outcome.err) == (kind is ValueError)


@pytest.mark.parametrize(("kind", "code"), [(InputError, 3), (OutputError, 3), (ValueError, 3)])
def test_an_input_that_fails_does_not_stop_the_others(
    flow: Flow, run: CommandLine, kind: type[Exception], code: int
) -> None:
    clips("a.mp4", "b.mp4", "c.mp4")
    flow.raises["b.mp4"] = kind("it broke")
    outcome = run("process", "a.mp4", "b.mp4", "c.mp4")
    assert outcome.code == code
    assert [call["uri"] for call in flow.calls] == ["a.mp4", "b.mp4", "c.mp4"]
    assert Path("c.camreel.mp4").exists()
    _, *listed = outcome.err[outcome.err.index("1 of 3 inputs failed:") :].splitlines()
    assert len(listed) == 1 and listed[0].startswith("  b.mp4: ") and "it broke" in listed[0]
    assert len(flow.loaded) == 1, "the model is loaded once"


@pytest.mark.parametrize(("kind", "code"), [(ModelError, 6), (DeviceError, 7), (ConfigError, 2)])
def test_an_error_that_every_input_would_have_stops_all(
    flow: Flow, run: CommandLine, kind: type[Exception], code: int
) -> None:
    clips("a.mp4", "b.mp4", "c.mp4")
    flow.raises["b.mp4"] = kind("it broke")
    assert run("process", "a.mp4", "b.mp4", "c.mp4").code == code
    assert len(flow.calls) == 2


def test_a_missing_input_among_several_does_not_stop_the_others(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4", "c.mp4")
    flow.raises["b.mp4"] = InputError("b.mp4: no such file")
    outcome = run("process", "a.mp4", "b.mp4", "c.mp4")
    assert outcome.code == 3 and len(flow.calls) == 3
    assert outcome.err.endswith("1 of 3 inputs failed:\n  b.mp4: no such file\n")


def test_a_single_missing_input_fails_before_the_network_is_loaded(flow: Flow, run: CommandLine) -> None:
    outcome = run("process", "nope.mp4")
    assert outcome.code == 4 and flow.loaded == []


def test_a_network_that_cannot_be_loaded_has_exit_code_6(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4", "b.mp4")
    flow.raises["model"] = ModelError("no weights", "no network", "give --weights")
    outcome = run("process", "a.mp4", "b.mp4")
    assert outcome.code == 6 and flow.calls == []
    assert outcome.err.endswith("error: no weights\n       no network\n       give --weights\n")


@pytest.mark.parametrize("words", [["--debug", "process", "a.mp4"], ["process", "a.mp4", "--debug"]])
def test_debug_shows_the_traceback(flow: Flow, run: CommandLine, words: list[str]) -> None:
    clips("a.mp4")
    flow.raises["a.mp4"] = InputError("it broke")
    outcome = run(*words)
    assert outcome.code == 4
    assert "Traceback" in outcome.err and outcome.err.endswith("error: it broke\n")


@pytest.mark.parametrize("words", [["-q", "process", "a.mp4"], ["process", "a.mp4", "-q"]])
def test_quiet_shows_errors_only(flow: Flow, run: CommandLine, words: list[str]) -> None:
    clips("a.mp4")
    assert run(*words).err == ""
    flow.raises["a.mp4"] = InputError("it broke")
    assert run(*words, "--overwrite").err == "error: it broke\n"


def test_verbose_shows_the_time_of_each_stage(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4")
    assert "busy: decode 0.1 s" in run("process", "a.mp4", "-v").err


def test_progress_goes_to_standard_error(flow: Flow, run: CommandLine) -> None:
    clips("a.mp4")
    outcome = run("process", "a.mp4", "--json", "-", "--progress", "log")
    assert "a.mp4: 00:01 of 00:02, 60 fps, 2.5x, 00:00 left" in outcome.err
    assert "60 fps" not in outcome.out


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_a_stopped_run_keeps_the_frames_that_are_done(
    flow: Flow, run: CommandLine, stop: KeyboardInterrupt, code: int
) -> None:
    clips("a.mp4", "b.mp4")
    flow.raises["a.mp4"] = stop
    outcome = run("process", "a.mp4", "b.mp4")
    assert outcome.code == code
    assert "stopped at 1.2 s; the result so far is in a.camreel.mp4 and a.camreel.jsonl" in outcome.err
    assert len(flow.calls) == 1, "the next input is not started"
