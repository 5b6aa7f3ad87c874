"""The contract of every data set in the registry."""

from __future__ import annotations

import subprocess
import sys

import pytest

from camreel.errors import CamreelError, ConfigError
from camreel.evaluate.datasets import DATASETS, DataOptions, load_dataset


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_returns_videos_or_says_what_it_needs(name, tmp_path):
    dataset = load_dataset(name)
    with pytest.raises(CamreelError):
        dataset.test(DataOptions(name, tmp_path / "missing"))
    try:
        test, validation = dataset.test(DataOptions(name, videos=2)), dataset.validation(DataOptions(name, videos=2))
    except ConfigError as error:
        assert "needs a folder" in error.what
        return
    assert test and not {video.name for video in test} & {video.name for video in validation}


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'davis'"):
        load_dataset("davs")


def test_the_names_of_data_sets_are_known_without_heavy_imports():
    code = "import sys, camreel.evaluate.datasets; print({'torch', 'cv2', 'av', 'jinja2'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
