"""Flags of settings: names, help and completion come from the configuration and the registries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from camreel.cams import CAM_METHODS
from camreel.cli.flags import FLAGS, LIVE_FLAGS, time_length
from camreel.config.schema import leaves
from camreel.errors import ConfigError
from camreel.models.registry import ARCHITECTURES
from camreel.runtime.files import shipped
from camreel.stages.smooth import SMOOTHERS
from tests.command_line import CommandLine


def complete(words: str) -> list[str]:
    """Return the completions of the last word, as bash asks for them."""
    environment = {"_CAMREEL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "camreel"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("camreel process --model ", list(ARCHITECTURES)),
        ("camreel config --model swin3d", ["swin3d_t", "swin3d_s", "swin3d_b"]),
        ("camreel import --arch mc", ["mc3_18"]),
        ("camreel process --method ", ["auto", *CAM_METHODS]),
        ("camreel process --smooth ", list(SMOOTHERS)),
        ("camreel process --progress l", ["log"]),
        ("camreel docs gl", ["glossary"]),
    ],
)
def test_names_are_completed_from_the_registries(words: str, names: list[str]) -> None:
    assert complete(words) == names


@pytest.mark.parametrize(("flag", "registry"), [("--method", CAM_METHODS), ("--smooth", SMOOTHERS)])
def test_a_wrong_name_is_refused_with_the_names_of_the_registry(
    capsys: pytest.CaptureFixture[str], flag: str, registry: dict[str, str]
) -> None:
    outcome = CommandLine(capsys)("config", flag, "flowcam")
    assert outcome.code == 2
    assert all(name in outcome.err for name in registry)


def test_a_wrong_network_is_refused_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    video = shipped("sample_videos") / "single-0007.mp4"
    outcome = CommandLine(capsys)("process", video, "--model", "mc3_81", "-o", "out/")
    assert outcome.code == 6 and "did you mean 'mc3_18'" in outcome.err


def test_every_flag_gives_a_setting_and_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    flags = [flag for panel in (*FLAGS.values(), *LIVE_FLAGS.values()) for flag in panel]
    assert {flag.key for flag in flags} <= set(leaves())
    assert len({flag.parameter for flag in flags}) == len(flags)
    text = CommandLine(capsys)("process", "--help").out
    for panel in FLAGS.values():
        assert all(flag.shown in text for flag in panel)


def test_the_records_have_two_names_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    text = CommandLine(capsys)("process", "--help").out
    assert "--json,--records" in text.replace(", ", ",")


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("90m", 5400), ("1h30m", 5400), ("5400", 5400)])
def test_a_length_of_time_is_converted_to_seconds(text: str, seconds: float) -> None:
    assert time_length(text, "--time") == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "x", "-1", "1:30"])
def test_a_length_of_time_must_be_positive(text: str) -> None:
    with pytest.raises(ConfigError, match="--time"):
        time_length(text, "--time")
