"""Labeled clips from folders and tables, and their split."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from camreel.errors import InputError
from camreel.train.dataset import HELD_OUT_SHARE, Dataset, LabeledClip, read_dataset, split_dataset


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


CLIPS = [f"{label}/{label}{i}.mp4" for label in ("jump", "wave") for i in range(4)]


def test_folders_are_classes_and_only_videos_are_clips(tmp_path):
    touch(tmp_path, *CLIPS, "wave/notes.txt", "wave/.hidden.mp4", "wave/wave1.camreel.mp4", ".git/a.mp4", "readme.mp4")
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("jump", "wave")
    assert [f"{clip.path.parent.name}/{clip.path.name}" for clip in dataset.clips] == sorted(CLIPS)
    assert len({clip.group for clip in dataset.clips}) == 8 and all(clip.subset is None for clip in dataset.clips)


def test_a_split_into_folders_is_kept(tmp_path):
    touch(tmp_path, *(f"train/{name}" for name in CLIPS), "val/jump/j.mp4", "val/wave/w.mp4")
    train, held_out = split_dataset(read_dataset(tmp_path), 0)
    assert len(train) == 8 and [clip.path.name for clip in held_out] == ["j.mp4", "w.mp4"]


def test_groups_come_from_a_file_beside_the_folders(tmp_path):
    touch(tmp_path, *CLIPS)
    (tmp_path / "groups.json").write_text(json.dumps({"jump0.mp4": "hall", "wave0.mp4": "hall"}))
    groups = [clip.group for clip in read_dataset(tmp_path).clips]
    assert groups.count("hall") == 2 and len(set(groups)) == 7


def test_a_table_names_parts_of_videos(tmp_path):
    others = [f"{i}.mp4,{'jump' if i < 3 else 'wave'},,," for i in range(6)]
    rows = ["path,label,start,end,group", "a.mp4,wave,1.5,3,anna", *others]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    first = next(clip for clip in read_dataset(tmp_path / "clips.csv").clips if clip.group == "anna")
    assert first == LabeledClip(tmp_path / "a.mp4", "wave", "anna", None, 1.5, 3.0)


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_wrong_tables_are_refused(tmp_path, text, message):
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path / "clips.csv")


def test_missing_and_empty_sources_are_refused(tmp_path):
    for source in (tmp_path / "gone", tmp_path):
        with pytest.raises(InputError, match="folder for each class"):
            read_dataset(source)
    touch(tmp_path, "a/1.mp4", "a/2.mp4", "a/3.mp4", "b/1.mp4", "b/2.mp4")
    with pytest.raises(InputError, match="b has 2 clips"):
        read_dataset(tmp_path)
    (tmp_path / "groups.json").write_text("[1]")
    with pytest.raises(InputError, match=r"groups\.json"):
        read_dataset(tmp_path)


# --- the split


def dataset_of(counts: dict[str, int], group_of: Callable[[str, int], str]) -> Dataset:
    clips = [
        LabeledClip(Path(f"{label}{i}.mp4"), label, group_of(label, i))
        for label, count in counts.items()
        for i in range(count)
    ]
    return Dataset(tuple(sorted(counts)), tuple(clips))


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides_and_every_class_is(seed):
    dataset = dataset_of({"a": 40, "b": 12, "c": 5}, lambda label, i: f"camera {i % 11}")
    train, held_out = split_dataset(dataset, seed)
    assert not {clip.group for clip in train} & {clip.group for clip in held_out}
    assert set(train) | set(held_out) == set(dataset.clips)
    for label in dataset.classes:
        of_class = [sum(clip.label == label for clip in side) for side in (train, held_out)]
        assert min(of_class) >= 1 and of_class[0] >= of_class[1]
    assert len(held_out) >= HELD_OUT_SHARE * len(dataset.clips)


def test_the_split_is_the_same_for_the_same_seed_only():
    dataset = dataset_of({"a": 20, "b": 20}, lambda label, i: f"{label}{i}")
    assert split_dataset(dataset, 1) == split_dataset(dataset, 1)
    assert split_dataset(dataset, 1) != split_dataset(dataset, 2)


def test_a_class_of_one_group_cannot_be_split():
    dataset = dataset_of({"a": 5, "b": 9}, lambda label, i: "one" if label == "a" else str(i))
    with pytest.raises(InputError, match="other cameras or recordings"):
        split_dataset(dataset, 0)
