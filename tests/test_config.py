"""The configuration: values of settings, resolution of files and flags, and errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from camreel.config.resolution import Resolved, Setting, render, resolve
from camreel.config.schema import Config, leaves
from camreel.errors import ConfigError
from camreel.options import parse_time
from camreel.runtime.files import shipped

CONFIGS = shipped("configs")


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def failure(**arguments: object) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolve(**arguments)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert all("\n" not in line for line in (caught.value.what, caught.value.why, caught.value.todo))
    return caught.value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12.5", 12.5),
        ("90s", 90),
        ("1:30", 90),
        ("00:01:30.5", 90.5),
        ("2:00:00", 7200),
        (".5", 0.5),
        ("0", 0),
        (" 3s ", 3),
        ("90:00", 5400),
    ],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds
    assert resolve(flags=[Setting("start", text, "--start")]).config.start == seconds


@pytest.mark.parametrize("text", ["", "x", "1:xx", "-1", "1:30s", "1:2:3:4", "12,5", "1e3", "nan", "inf", "5m"])
def test_a_text_that_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    "text", ["start=1:30", "start=00:01:30", "start=90", "start=90s", "start='1:30'", "start=90.0"]
)
def test_times_mean_the_same_in_yaml(text: str) -> None:
    assert resolve(sets=[text]).config.start == 90


def test_the_end_must_follow_the_start() -> None:
    assert "not after start" in failure(sets=["start=3", "end=3"]).what


def test_a_segment_must_not_end_as_it_starts() -> None:
    assert "link.enter" in failure(sets=["link.enter=0.2"]).what


@pytest.mark.parametrize(
    ("value", "classes"),
    [("black swan, 3", ("black swan", "3")), (["black swan", 3], ("black swan", "3")), (7, ("7",)), ([], ()), ("", ())],
)
def test_classes_are_names_and_ids(value: object, classes: tuple[str, ...]) -> None:
    assert resolve(flags=[Setting("localize.classes", value, "--classes")]).config.localize.classes == classes


def test_a_config_is_immutable() -> None:
    with pytest.raises(ValidationError):
        Config().model.name = "x"  # type: ignore[misc]


def test_with_model_changes_only_what_is_given() -> None:
    base = resolve(sets=["model.batch=3"]).config
    assert base.with_model() == base
    changed = base.with_model("s3d", None, ["3"])
    assert (changed.model.name, changed.model.weights, changed.model.batch) == ("s3d", "default", 3)
    assert changed.localize.classes == ("3",)


def test_without_settings_all_values_are_the_defaults() -> None:
    resolved = resolve()
    assert resolved.config == Config()
    assert set(resolved.origins.values()) == {"default"}


def test_later_sources_win_and_are_named_as_origin(tmp_path: Path) -> None:
    one = write(tmp_path / "one.yaml", "model:\n  name: a\n  weights: b\nlocalize:\n  top_k: 4\n  min_score: 0.2\n")
    two = write(tmp_path / "two.yaml", "# a comment\nlocalize: {top_k: 5}\nmodel.weights: c\n")
    resolved = resolve(
        [one, two], ["localize.top_k=6", "localize.min_score=0.3"], [Setting("localize.top_k", "7", "--top-k")]
    )
    assert resolved.config.model.name == "a"
    assert resolved.config.model.weights == "c"
    assert resolved.config.localize.top_k == 7
    origins = resolved.origins
    assert origins["model.name"] == f"{one}:2"
    assert origins["model.weights"] == f"{two}:3"
    assert origins["localize.min_score"] == "--set"
    assert origins["localize.top_k"] == "--top-k"
    assert origins["video.crf"] == "default"


def test_every_setting_has_an_origin_and_a_description() -> None:
    assert list(resolve().origins) == list(leaves())
    assert all(schema.get("description") for key, schema in leaves().items()), "every setting has a description"


def test_a_name_stands_for_a_file_in_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs/fast.yaml", "video:\n  crf: 30\n")
    monkeypatch.chdir(tmp_path)
    assert resolve(["fast"]).origins["video.crf"] == "configs/fast.yaml:2"
    error = failure(files=["fats"])
    assert "fats" in error.what and "fast" in error.todo


def test_a_name_stands_for_a_shipped_file_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    resolved = resolve(["fast"])
    assert resolved.config.smooth.name == "ema"
    assert resolved.origins["smooth.name"] == f"{CONFIGS / 'fast.yaml'}:3"


def test_a_file_in_configs_wins_over_a_shipped_one_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs/fast.yaml", "video:\n  crf: 30\n")
    monkeypatch.chdir(tmp_path)
    assert resolve(["fast"]).config == Config().changed(video={"crf": 30})
    assert resolve(["webcam"]).config.causal, "the other shipped files are still found"


def test_an_unknown_name_lists_the_shipped_files_and_those_in_configs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs/mine.yaml", "")
    monkeypatch.chdir(tmp_path)
    error = failure(files=["fastt"])
    assert error.why == "it is neither a file nor one of accurate, default, demo, fast, mine, webcam"
    assert "'fast'" in error.todo


@pytest.mark.parametrize("text", ["", "# only a comment\n", "model:\n", "model:\n  # nothing\nvideo: ~\n"])
def test_empty_files_and_sections_change_nothing(tmp_path: Path, text: str) -> None:
    assert resolve([write(tmp_path / "c.yaml", text)]).config == Config()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("model:\n  nam: x\n", 2, "'model.nam' model.name"),
        ("modle:\n  name: x\n", 2, "'modle.name' model.name"),
        ("\ntop_k: 3\n", 2, "'top_k' localize.top_k"),
        ("localize:\n  top_k: 0\n", 2, "localize.top_k=0 integer least 1"),
        ("localize:\n  top_k: x\n", 2, "localize.top_k=x integer"),
        ("video:\n  style: heatmp\n", 2, "heatmp side-by-side 'heatmap'"),
        ("video:\n  crf: [1]\n", 2, "[1] integer least 0 most 51"),
        ("video:\n  audio: perhaps\n", 2, "perhaps true or false"),
        ("localize:\n  min_score: .nan\n", 2, "min_score number"),
        ("model: mc3_18\n", 1, "model section weights"),
        ("model:\n  name:\n    x: 1\n", 3, "model.name.x"),
        ("model:\n  name: a\n  name: b\n", 3, "model.name twice"),
        ("- 1\n", 1, "mapping"),
        ("a: [\n", 2, "not valid YAML"),
        ("\tx: 1\n", 1, "not valid YAML"),
        ("model:\n  size: !!python/object:os.system x\n", 2, "not plain YAML"),
        ("? [a]\n: b\n", 2, "unknown setting"),
    ],
)
def test_an_error_in_a_file_names_the_line_and_the_reason(tmp_path: Path, text: str, line: int, words: str) -> None:
    error = failure(files=[write(tmp_path / "c.yaml", text)])
    assert f"c.yaml:{line}" in str(error)
    for word in words.split():
        assert word in str(error)


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"model:\n  name: \xff\n")
    assert "UTF-8" in failure(files=[str(tmp_path / "latin.yaml")]).what
    assert "nowhere.yaml" in failure(files=[str(tmp_path / "nowhere.yaml")]).what
    assert "no configuration" in failure(files=[str(tmp_path)]).what


@pytest.mark.parametrize("text", ["foo", "=3", "", "a.b"])
def test_a_set_needs_a_key_and_a_value(text: str) -> None:
    assert "a.b=c" in failure(sets=[text]).what


def test_an_error_names_the_flag_that_gave_the_value() -> None:
    error = failure(flags=[Setting("video.style", "heatmp", "--style")])
    assert error.what == "--style heatmp is not possible"
    assert error.todo == "did you mean 'heatmap'?"


def test_null_restores_the_default(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "model:\n  map_size: 160\n")
    assert resolve([file], ["model.map_size=null"]).config.model.map_size is None


def reread(resolved: Resolved, tmp_path: Path) -> Resolved:
    return resolve([write(tmp_path / "again.yaml", render(resolved))])


AWKWARD = ["plain", "a, b", "null", "3", "yes", "x: y #z", "'", '"', "[1]", "", " lead", "ü", "-", "!x", "a\nb", "1:30"]


@pytest.mark.parametrize("text", AWKWARD)
def test_printed_settings_read_back_the_same(tmp_path: Path, text: str) -> None:
    flags = [Setting("model.name", text, "--model"), Setting("localize.classes", ["x", text], "--classes")]
    resolved = resolve(sets=["start=1:30", "localize.min_score=1e-6", "video.audio=no"], flags=flags)
    assert reread(resolved, tmp_path).config == resolved.config


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), st.floats(0, 1))
def test_any_value_reads_back_the_same(text: str, score: float) -> None:
    resolved = resolve(
        flags=[Setting("model.name", text, "--model"), Setting("localize.min_score", score, "--min-score")]
    )
    again = Config.model_validate(yaml.safe_load(render(resolved)))
    assert again == resolved.config


def test_every_printed_value_has_its_origin_beside_it() -> None:
    lines = render(resolve(sets=["model.batch=2"])).splitlines()
    values = [line for line in lines if not line.endswith(":")]
    assert all("  # " in line for line in values)
    assert len(values) == len(leaves())
    assert [line.split() for line in values if "batch" in line] == [["batch:", "2", "#", "--set"]]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_hold_only_differences_from_the_defaults(path: Path) -> None:
    resolved = resolve([str(path)])
    default = resolve()
    given_here = [key for key, origin in resolved.origins.items() if origin != "default"]
    for key in given_here:
        section, _, name = key.rpartition(".")
        ours, theirs = ((getattr(r.config, section) if section else r.config) for r in (resolved, default))
        assert getattr(ours, name) != getattr(theirs, name), f"{key} is the default"
    assert bool(given_here) == (path.stem != "default")


def test_the_shipped_files_are_there() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} >= {"default", "fast", "accurate", "webcam"}
    assert resolve([str(CONFIGS / "webcam.yaml")]).config.causal
