from __future__ import annotations

import numpy as np
import pytest
import torch

from camreel.errors import DeviceError
from camreel.models.loading import load
from camreel.recognize.backend import Backend, choose_backend, choose_device, map_cells
from camreel.recognize.batches import ForwardRequest, backbone_batch
from camreel.recognize.stage import recognize
from camreel.stages.sample import fit_input, sample
from camreel.stages.windows import windows
from camreel.structures import ClassSelection, Grid
from tests.make import TinyRecognizer, numbered

GRID = Grid((0, 0), (1, 1))


def clips(count=40, clip_len=8, sides=(24,)):
    sizes = [fit_input(64, 48, side, fixed=False, smooth=False, fill=(0, 0, 0)) for side in sides]
    return list(windows(sample(numbered(count), 15, 1 / 30, sizes), clip_len, clip_len // 2))


def cam(recognizer, features, classes):
    return torch.einsum("sk,bkthw->bsthw", recognizer.linear.weight[classes], features.maps.float())


def run(recognizer=None, selection=ClassSelection(), source=None, **kwargs):  # noqa: B008 (frozen)
    kwargs.setdefault("backend", Backend())
    return list(recognize(clips() if source is None else source, recognizer or TinyRecognizer(), cam, selection, GRID, **kwargs))


def test_maps_add_up_to_the_logit():
    for answer in run(selection=ClassSelection((0, 1, 2, 3, 4))):
        bias = TinyRecognizer().fc.bias.numpy()
        np.testing.assert_allclose(answer.maps.mean((1, 2, 3)) + bias, answer.logits, atol=1e-5)
        np.testing.assert_allclose(answer.slice_logits.mean(0), answer.logits, atol=1e-5)
        assert answer.error < 1e-5


def test_a_map_that_does_not_add_up_is_noticed():
    def wrong(recognizer, features, classes):
        return cam(recognizer, features, classes) * 1.1

    answers = list(recognize(clips(), TinyRecognizer(), wrong, ClassSelection(), GRID, backend=Backend()))
    assert max(a.error for a in answers) > 1e-3


def test_batches_change_nothing_but_the_speed():
    one = run()
    many_net = TinyRecognizer()
    many = run(many_net, backend=Backend(batch=3))
    assert many_net.seen[0][0] == 3
    for a, b in zip(one, many, strict=True):
        np.testing.assert_allclose(a.maps, b.maps, atol=1e-5)
        assert a.classes.tolist() == b.classes.tolist()


def test_each_clip_maps_its_own_top_classes_and_those_on_top_before():
    answers = run(selection=ClassSelection(top_k=1))
    tops = [set(a.slice_logits.argmax(1).tolist()) for a in answers]
    assert set(answers[0].classes.tolist()) == tops[0]
    for before, now, answer in zip(tops, tops[1:], answers[1:], strict=False):
        assert set(answer.classes.tolist()) == before | now
    assert all((np.diff(a.classes) > 0).all() for a in answers)


def test_chosen_classes_are_mapped_always_and_alone():
    assert {tuple(a.classes.tolist()) for a in run(selection=ClassSelection((3, 1)))} == {(1, 3)}


def test_out_of_memory_halves_the_batch_and_says_so():
    class Small(TinyRecognizer):
        def features(self, clips, keep=None):
            if len(clips) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().features(clips, keep)

    said = []
    recognizer = Small()
    out = run(recognizer, source=clips(60), backend=Backend(batch=8), notify=said.append)
    assert len(out) == len(clips(60))
    assert max(shape[0] for shape in recognizer.seen) == 2
    assert said == ["out of memory: the batch was lowered to 4 clips", "out of memory: the batch was lowered to 2 clips"]


def test_one_clip_that_does_not_fit_is_an_error_with_a_way_out():
    class Tiny(TinyRecognizer):
        def features(self, clips, keep=None):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    with pytest.raises(DeviceError, match="--map-size"):
        run(Tiny())


def test_other_errors_are_not_taken_for_memory():
    class Broken(TinyRecognizer):
        def features(self, clips, keep=None):
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        run(Broken())


def test_no_number_is_reported_with_its_frames_and_never_mapped():
    class Broken(TinyRecognizer):
        calls = 0

        def features(self, clips, keep=None):
            self.calls += 1
            found = super().features(clips, keep)
            if self.calls == 2:
                found.maps[0, 0] = float("nan")
            return found

    said = []
    answers = run(Broken(), notify=said.append)
    assert len(answers[1].classes) == 0
    assert (answers[1].logits < -1000).all()
    assert all(np.isfinite(a.maps).all() and np.isfinite(a.logits).all() for a in answers)
    assert "NaN" in said[0] and "frames 8 to 22" in said[0]


def test_maps_may_come_from_another_size_than_scores():
    recognizer = TinyRecognizer()
    answers = run(recognizer, source=clips(sides=(24, 48)))
    assert {shape[-2:] for shape in recognizer.seen} == {(24, 32), (48, 64)}
    assert answers[0].maps.shape[2:] == (12, 16)
    small = run(source=clips(sides=(24,)))
    np.testing.assert_allclose(answers[0].logits, small[0].logits, atol=1e-6)
    assert answers[0].error < 1e-5  # against the logit of its own size


@pytest.mark.parametrize("name", ["vgg11", "r3d_18", "swin3d_t"])
def test_the_shape_of_the_maps_is_known_before_the_first_frame(name):
    recognizer = load(name, "random")
    size = (64, 110) if name == "vgg11" else (48, 80)
    expected = recognizer.features(torch.zeros(1, 3, recognizer.clip_len, *size)).maps.shape[3:]
    assert map_cells(recognizer, Backend(), size) == tuple(expected)


def test_no_grad_mode_leaks_to_the_consumer():
    stream = recognize(clips(), TinyRecognizer(), cam, ClassSelection(), GRID, backend=Backend())
    next(stream)
    assert not torch.is_inference_mode_enabled()
    stream.close()


def test_a_missing_device_is_an_error_that_says_what_to_do():
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

    monkeypatch.setattr("camreel.recognize.backend._has_bfloat16", lambda device: True)
    assert choose_backend(Coarse(), "cpu", "auto", None).dtype == torch.float32


def test_clips_of_several_videos_are_seen_together_as_alone():
    net = TinyRecognizer()
    videos = torch.randn(3, 3, 8, 24, 32, generator=torch.Generator().manual_seed(0))
    looks = [ForwardRequest(videos[:1], (2, 6)), ForwardRequest(videos[1:], (2, 6))]
    assert looks[0].kind == looks[1].kind
    for one, other in zip(backbone_batch(net, looks), looks, strict=True):
        torch.testing.assert_close(one.maps, net.features(other.clips, (2, 6)).maps)
    assert ForwardRequest(videos[:1], None).kind != looks[0].kind
