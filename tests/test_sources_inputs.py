"""Folders, wildcards and lists become single inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from camreel.errors import InputError
from camreel.sources.inputs import expand


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    top = "b.mp4 a.MKV .hidden.mp4 a.camreel.mp4 c.partial.mp4 notes.txt odd[1].avi"
    for name in f"{top} more/d.mkv more/deep/e.mkv more/deep/f.dat".split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["b.mp4"], ["b.mp4"]),
        (["."], ["./a.MKV", "./b.mp4", "./odd[1].avi"]),
        (["more/*.mkv"], ["more/d.mkv"]),
        (["more/**/*.mkv"], ["more/d.mkv", "more/deep/e.mkv"]),
        (["more/**"], ["more/d.mkv", "more/deep/e.mkv"]),
        (["more/deep/*.dat"], ["more/deep/f.dat"]),
        (["*"], ["a.MKV", "b.mp4", "odd[1].avi"]),
        (["odd[1].avi"], ["odd[1].avi"]),
        (["a.camreel.mp4", ".hidden.mp4", "notes.txt"], ["a.camreel.mp4", ".hidden.mp4", "notes.txt"]),
        (["b.mp4", "more", "./b.mp4", "*.mp4"], ["b.mp4", "more/d.mkv"]),
        (["-", "http://host/a.mp4", "-"], ["-", "http://host/a.mp4"]),
    ],
)
def test_inputs_expand(clips: Path, inputs: list[str], expected: list[str]) -> None:
    assert expand(inputs) == expected


def test_a_list_names_inputs_relative_to_itself(clips: Path) -> None:
    (clips / "more/list.txt").write_text(
        "# mine\n\nd.mkv\n  ../b.mp4  \ndeep/*.mkv\nhttps://host/a.mp4\n" + str(clips / "a.MKV")
    )
    expected = ["more/d.mkv", "more/../b.mp4", "more/deep/e.mkv", "https://host/a.mp4", str(clips / "a.MKV")]
    assert expand(["@more/list.txt", "b.mp4"]) == expected


@pytest.mark.parametrize("text", ["gone.mp4", "none", "*.webm", "@gone.txt", "@none", "gone/*.mp4", "more/*.txt"])
def test_what_stands_for_nothing_is_an_error(clips: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        expand(["b.mp4", text])
    assert text in caught.value.what


def test_an_empty_list_is_an_error(clips: Path) -> None:
    (clips / "list.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match=r"@list\.txt"):
        expand(["@list.txt"])


def test_addresses_expand_to_themselves_and_each_camera_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cameras.txt").write_text("rtsp://b/x\n0\n# not this one\ntest:\n")
    (tmp_path / "0").touch()
    assert expand(["0", "webcam:0", "/dev/video0", "rtsp://a/x", "@cameras.txt", "./0", "rtsp://a/x"]) == [
        "0",
        "rtsp://a/x",
        "rtsp://b/x",
        "test:",
        "./0",
    ]


def test_an_address_that_nobody_can_read_does_not_expand() -> None:
    with pytest.raises(InputError, match="cannot read from this kind of address"):
        expand(["srt://host:9000"])
