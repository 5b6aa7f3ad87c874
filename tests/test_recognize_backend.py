"""Device, number format and map size of a network."""

from __future__ import annotations

import pytest
import torch

from camreel.errors import DeviceError
from camreel.models.loading import load
from camreel.recognize.backend import Backend, choose_backend, choose_device, map_cells
from tests.make import TinyRecognizer


@pytest.mark.parametrize("name", ["vgg11", "r3d_18", "swin3d_t"])
def test_the_shape_of_the_maps_is_known_before_the_first_frame(name):
    recognizer = load(name, "random")
    size = (64, 110) if name == "vgg11" else (48, 80)
    expected = recognizer.features(torch.zeros(1, 3, recognizer.clip_len, *size)).maps.shape[3:]
    assert map_cells(recognizer, Backend(), size) == tuple(expected)


def test_a_missing_device_is_an_error_with_advice():
    if torch.cuda.is_available():
        pytest.skip("this computer has a GPU")
    with pytest.raises(DeviceError, match="doctor"):
        choose_device("cuda")
    assert choose_device("auto") in {"cpu", "mps"}


def test_the_number_format_is_chosen_by_measurement():
    backend = choose_backend(TinyRecognizer(), "cpu", "auto", None)
    assert backend.dtype in {torch.float32, torch.bfloat16}
    assert choose_backend(TinyRecognizer(), "cpu", "float32", 5) == Backend("cpu", torch.float32, 5)


def test_a_number_format_whose_maps_differ_is_not_chosen(monkeypatch):
    class Coarse(TinyRecognizer):
        def features(self, clips, keep=None):
            found = super().features(clips, keep)
            return type(found)(found.maps * (1.05 if clips.dtype == torch.bfloat16 else 1.0))

    monkeypatch.setattr("camreel.recognize.backend.has_bfloat16", lambda device: True)
    assert choose_backend(Coarse(), "cpu", "auto", None).dtype == torch.float32
