"""Learning from labelled clips: what is read, how it is divided, and that the result tells actions apart and stays exact."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest
import torch

from camreel.cli.app import main
from camreel.errors import ConfigError, InputError
from camreel.flow import localize
from camreel.models import checkpoint
from camreel.models.loading import load
from camreel.synthetic import ACTIONS, Film
from camreel.synthetic.write import write_film
from camreel.train.clips import Plan, train_clips
from camreel.train.clips.classification_report import ClassificationReport
from camreel.train.clips.clip_cache import Shelf, Skipped
from camreel.train.clips.dataset import Catalog, Example, read_catalog
from camreel.train.clips.embeddings import Vectors
from camreel.train.clips.linear_probe import Head, choose_decay, fit_head, macro_f1, temperature
from camreel.train.clips.splits import SHARE, split


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


CLIPS = [f"{label}/{label}{i}.mp4" for label in ("jump", "wave") for i in range(4)]

# --- the catalog ---


def test_folders_are_classes_and_only_videos_are_clips(tmp_path):
    touch(tmp_path, *CLIPS, "wave/notes.txt", "wave/.hidden.mp4", "wave/wave1.camreel.mp4", ".git/a.mp4", "readme.mp4")
    catalog = read_catalog(tmp_path)
    assert catalog.classes == ("jump", "wave")
    assert [f"{e.path.parent.name}/{e.path.name}" for e in catalog.examples] == sorted(CLIPS)
    assert len({e.group for e in catalog.examples}) == 8 and all(e.part is None for e in catalog.examples)


def test_sides_that_were_chosen_by_hand_are_kept(tmp_path):
    touch(tmp_path, *(f"train/{name}" for name in CLIPS), "val/jump/j.mp4", "val/wave/w.mp4")
    learned, held = split(read_catalog(tmp_path), 0)
    assert len(learned) == 8 and [e.path.name for e in held] == ["j.mp4", "w.mp4"]


def test_groups_come_from_a_file_beside_the_folders(tmp_path):
    touch(tmp_path, *CLIPS)
    (tmp_path / "groups.json").write_text(json.dumps({"jump0.mp4": "hall", "wave0.mp4": "hall"}))
    groups = [e.group for e in read_catalog(tmp_path).examples]
    assert groups.count("hall") == 2 and len(set(groups)) == 7


def test_a_table_names_parts_of_videos(tmp_path):
    rows = ["path,label,start,end,group", "a.mp4,wave,1.5,3,anna"] + [f"{i}.mp4,{'jump' if i < 3 else 'wave'},,," for i in range(6)]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    first = next(e for e in read_catalog(tmp_path / "clips.csv").examples if e.group == "anna")
    assert first == Example(tmp_path / "a.mp4", "wave", "anna", None, 1.5, 3.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na.mp4,x", "no column path"),
        ("path,label\na.mp4,", "line 2: there is no label"),
        ("path,label,start,end\na.mp4,x,5,3", "ends at 3 s, before it starts at 5 s"),
        ("path,label,start\na.mp4,x,soon", "start is 'soon'"),
        ("path,label,start\na.mp4,x,-1", "start is '-1'"),
        ("path,label\na.mp4,x\nb.mp4,x\nc.mp4,x", "only 'x'"),
        ("path,label\na.mp4,x\nb.mp4,x\nc.mp4,x\nd.mp4,y", "y has 1"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, text, said):
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        read_catalog(tmp_path / "clips.csv")


def test_what_is_not_there_or_holds_nothing(tmp_path):
    for source in (tmp_path / "gone", tmp_path):
        with pytest.raises(InputError, match="folder for each class"):
            read_catalog(source)
    touch(tmp_path, "a/1.mp4", "a/2.mp4", "a/3.mp4", "b/1.mp4", "b/2.mp4")
    with pytest.raises(InputError, match="b has 2 clips"):
        read_catalog(tmp_path)
    (tmp_path / "groups.json").write_text("[1]")
    with pytest.raises(InputError, match=r"groups\.json"):
        read_catalog(tmp_path)


# --- the split ---


def made(counts: dict[str, int], group_of) -> Catalog:
    examples = [
        Example(Path(f"{label}{i}.mp4"), label, group_of(label, i)) for label, count in counts.items() for i in range(count)
    ]
    return Catalog(tuple(sorted(counts)), tuple(examples))


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides_and_every_class_is(seed):
    catalog = made({"a": 40, "b": 12, "c": 5}, lambda label, i: f"camera {i % 11}")
    learned, held = split(catalog, seed)
    assert not {e.group for e in learned} & {e.group for e in held}
    assert set(learned) | set(held) == set(catalog.examples)
    for label in catalog.classes:
        of_class = [sum(e.label == label for e in side) for side in (learned, held)]
        assert min(of_class) >= 1 and of_class[0] >= of_class[1]
    assert len(held) >= SHARE * len(catalog.examples)


def test_the_split_is_the_same_for_the_same_seed_only():
    catalog = made({"a": 20, "b": 20}, lambda label, i: f"{label}{i}")
    assert split(catalog, 1) == split(catalog, 1)
    assert split(catalog, 1) != split(catalog, 2)


def test_a_class_of_one_group_cannot_be_divided():
    with pytest.raises(InputError, match="other cameras or recordings"):
        split(made({"a": 5, "b": 9}, lambda label, i: "one" if label == "a" else str(i)), 0)


# --- the head ---


def clouds(count: int = 12, classes: int = 3, seed: int = 0) -> list[Vectors]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 8)) * 3
    names = [f"class {c}" for c in range(classes)]
    made = []
    for c in range(classes):
        for i in range(count):
            windows = (centres[c] + rng.normal(size=(4, 8))).astype(np.float32)
            made.append(Vectors(Example(Path(f"{c}-{i}"), names[c], f"group {i}"), windows, windows + 0.1))
    return made


NAMES = ("class 0", "class 1", "class 2")


def test_a_head_tells_clouds_apart_and_weighs_classes_alike():
    clips = clouds()
    few = [clip for clip in clips if clip.example.label != "class 2"] + [clip for clip in clips if clip.example.label == "class 2"][
        :2
    ]
    head = fit_head(few, NAMES, 0.01, mirror=True)
    assert head.weight.shape == (3, 8) and head.bias.shape == (3,)
    said = [NAMES[int(head.logits(clip.plain).mean(axis=0).argmax())] for clip in clips]
    assert np.mean([a == clip.example.label for a, clip in zip(said, clips, strict=True)]) > 0.95


def test_the_decay_is_chosen_over_folds_of_groups():
    decay, score = choose_decay(clouds(), NAMES, mirror=False, seed=0)
    assert decay > 0 and score > 0.9


def test_macro_f1_by_hand():
    truth, said = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0])
    # class 0: 2 hits of 3 true and 4 said; class 1: 1 of 2 and 2; class 2: none.
    assert macro_f1(said, truth, 3) == pytest.approx((4 / 7 + 2 / 4 + 0) / 3)


def test_the_temperature_undoes_what_logits_were_stretched_by():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in chances])
    assert temperature((logits * 3).astype(np.float32), truth) == pytest.approx(3, rel=0.15)
    head = Head(np.ones((2, 3), np.float32), np.ones(2, np.float32))
    assert head.scaled(0.5).logits(np.ones((1, 3), np.float32)).tolist() == [[2.0, 2.0]]


def test_the_verdict_counts_and_its_interval_is_over_groups():
    examples = tuple(Example(Path(str(i)), "ab"[i % 2], f"g{i // 4}") for i in range(16))
    scores = np.array([[0.9, 0.1] if i % 2 == 0 or i < 2 else [0.2, 0.8] for i in range(16)], np.float32)
    verdict = ClassificationReport(("a", "b"), examples, scores)
    assert verdict.confusion.tolist() == [[8, 0], [1, 7]]
    low, high = verdict.interval(0)
    assert low < verdict.macro_f1 <= high == 1 and verdict.interval(0) == (low, high)


# --- from videos to a checkpoint ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Clips in which a bright block moves along or up and down."""
    root = tmp_path_factory.mktemp("clips")
    for label in ("along", "up"):
        (root / label).mkdir()
        for i in range(6):
            pictures = np.full((30, 64, 96, 3), 60 + 5 * i, np.uint8)
            for t, picture in enumerate(pictures):
                at = int(20 + 15 * np.sin(2 * np.pi * t / 15))
                x, y = (at + 10, 24) if label == "along" else (40, at)
                cv2.rectangle(picture, (x, y), (x + 12, y + 12), (230, 220, 210), -1)
            write_film(root / label / f"{label}{i}.mp4", cast(Film, SimpleNamespace(pictures=pictures)), 30.0, 23)
    return root


HEAD = Plan(freeze="all")


@pytest.fixture(scope="module")
def taught(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "mine.safetensors"
    return train_clips(folder, output, HEAD)


def test_it_learns_to_tell_them_apart(taught):
    assert taught.verdict.macro_f1 == 1 and taught.skipped == ()
    _, metadata, _ = checkpoint.read(taught.checkpoint)
    assert metadata.classes == ("along", "up") and not metadata.multilabel and metadata.arch == "figures"
    assert metadata.metrics["macro_f1"] == 1 and metadata.metrics["clips"] == {"learned": 10, "held_out": 2, "skipped": 0}


def test_the_checkpoint_is_a_network_whose_maps_add_up(taught, folder):
    network = load(str(taught.checkpoint))
    assert network.linear is not None and network.linear.weight.shape[0] == 2
    shown = list(localize(str(folder / "up" / "up0.mp4"), recognizer=network))
    assert len(shown) == 30
    best = [max(one.actions, key=lambda action: action.score).label for one in shown[5:-5]]
    assert best.count("up") > 0.9 * len(best)
    assert all(sum(action.score for action in one.actions) <= 1 + 1e-4 for one in shown)


def test_the_same_clips_make_the_same_network(taught, folder, tmp_path):
    again = train_clips(folder, tmp_path / "again.safetensors", HEAD)
    one, two = (checkpoint.read(path)[0] for path in (taught.checkpoint, again.checkpoint))
    torch.testing.assert_close(one["classifier.weight"], two["classifier.weight"])


def test_what_cannot_be_read_is_skipped_and_named(folder, tmp_path):
    for path in folder.rglob("*.mp4"):
        (tmp_path / "in" / path.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path.parent.name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "in/up/broken.mp4").write_bytes(b"nonsense")
    said: list[str] = []
    result = train_clips(tmp_path / "in", tmp_path / "x.safetensors", HEAD, say=said.append)
    assert len(result.skipped) == 1 and "broken.mp4" in result.skipped[0] and any("broken" in text for text in said)


def test_a_clip_of_a_moment_is_too_short(folder):
    shelf = Shelf(load("figures"))
    path = folder / "up" / "up0.mp4"
    with pytest.raises(Skipped, match="too short"):
        shelf.pictures(Example(path, "up", "g", None, 0.0, 0.1))


def test_pictures_that_find_no_room_are_read_again(folder):
    example = Example(folder / "up" / "up0.mp4", "up", "g")
    roomy, narrow = Shelf(load("figures")), Shelf(load("figures"), room=0)
    assert roomy.pictures(example) is roomy.pictures(example)
    assert narrow.pictures(example) is not narrow.pictures(example)
    np.testing.assert_array_equal(roomy.pictures(example), narrow.pictures(example))


def test_nothing_is_mirrored_where_sides_have_names(folder, tmp_path):
    for path in folder.rglob("*.mp4"):
        place = tmp_path / "in" / ("wave_left" if path.parent.name == "up" else "along")
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).write_bytes(path.read_bytes())
    said: list[str] = []
    train_clips(tmp_path / "in", tmp_path / "x.safetensors", HEAD, say=said.append)
    assert any("not mirrored" in text for text in said)


def test_what_exists_is_kept(folder, taught, tmp_path):
    before = taught.checkpoint.read_bytes()
    with pytest.raises(ConfigError, match="already exists"):
        train_clips(folder, taught.checkpoint)
    assert taught.checkpoint.read_bytes() == before
    with pytest.raises(ConfigError, match="safetensors"):
        train_clips(folder, tmp_path / "x.pt")


@pytest.mark.parametrize("model", ["mvit_v1_b", "convnext_tiny"])
def test_a_backbone_without_a_linear_head_is_refused(folder, tmp_path, model, monkeypatch):
    from camreel.train.clips import run
    from tests.networks import network

    monkeypatch.setattr(run, "load", lambda *_: network(model))
    with pytest.raises(ConfigError, match="cannot be trained on clips"):
        train_clips(folder, tmp_path / "x.safetensors", Plan(model))


def call(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["train", *words])
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


def test_the_command_prints_a_table_and_what_comes_next(folder, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    code, out, err = call(capsys, str(folder), "-o", str(output), "--freeze", "all")
    assert code == 0 and output.exists()
    assert "macro-F1 1.000 on 2 clips held out" in out and "precision" in out
    assert f"camreel process VIDEO --model {output}" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["DIR", "--figures", "-o", "x.safetensors"], "exclude each other"),
        (["-o", "x.safetensors"], "nothing to learn from"),
        (["DIR"], "no place for the checkpoint"),
        (["DIR", "-o", "x.safetensors", "--inputs", "rgb"], "--inputs is for `camreel train --figures` only"),
        (["DIR", "-o", "x.safetensors", "--freeze", "most"], "all, half, none"),
        (["DIR", "-o", "x.safetensors", "--time", "0s"], "--time 0"),
        (["--figures", "-o", "x.safetensors", "--patience", "3"], "--patience is for `camreel train DIR` only"),
        (["--figures", "-o", "x.safetensors", "--model", "mc3_18"], "--model is for `camreel train DIR` only"),
    ],
)
def test_flags_that_do_not_go_together(folder, words, said, capsys):
    code, _, err = call(capsys, *(str(folder) if word == "DIR" else word for word in words))
    assert code == 2 and said in err


def test_ctrl_c_writes_nothing(folder, tmp_path, capsys, monkeypatch):
    import signal

    read = Shelf.pictures

    def interrupted(self, example):
        signal.raise_signal(signal.SIGINT)
        return read(self, example)

    monkeypatch.setattr(Shelf, "pictures", interrupted)
    code, _, err = call(capsys, str(folder), "-o", str(tmp_path / "x.safetensors"))
    assert code == 130 and "nothing is written" in err and not list(tmp_path.iterdir())


def test_the_actions_of_the_bundled_network_stay_out_of_the_new_one(taught):
    assert not set(ACTIONS) & set(load(str(taught.checkpoint)).classes)
