"""Clips in batches through the network: logits, maps, memory, NaN, and the completeness check."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from camreel.cams.maps import activation_maps, load_method
from camreel.errors import DeviceError, ModelError
from camreel.interfaces import LinearHead
from camreel.recognize.backend import Backend
from camreel.recognize.batches import COMPLETENESS_LIMIT, ForwardRequest, NetworkPlan, backbone_batch
from camreel.recognize.stage import recognize
from camreel.stages.sample import Sampling, fit_input, sample
from camreel.stages.windows import Windowing, windows
from camreel.structures import ClassSelection, Grid
from tests.make import TinyRecognizer, numbered

GRID = Grid((0, 0), (1, 1))


def clips(count=40, clip_len=8, sides=(24,)):
    """Return overlapping clips with one or two input sizes, given by their short sides."""
    sampling = Sampling(tuple(fit_input((64, 48), side) for side in sides), 15, 1 / 30)
    return list(windows(sample(numbered(count), sampling), Windowing(clip_len, clip_len // 2)))


def cam(recognizer, features, classes):
    return torch.einsum("sk,bkthw->bsthw", recognizer.linear.weight[classes], features.maps.float())


def plan_of(recognizer=None, selection=ClassSelection(), *, batch=1, maps=cam, complete=True):  # noqa: B008 (frozen)
    return NetworkPlan(recognizer or TinyRecognizer(), Backend(batch=batch), maps, selection, GRID, complete)


def run(recognizer=None, selection=ClassSelection(), *, source=None, note=lambda sentence: None, **plan):  # noqa: B008
    return list(recognize(clips() if source is None else source, plan_of(recognizer, selection, **plan), note))


def test_maps_add_up_to_the_logit():
    for answer in run(selection=ClassSelection((0, 1, 2, 3, 4))):
        bias = TinyRecognizer().fc.bias.numpy()
        np.testing.assert_allclose(answer.maps.mean((1, 2, 3)) + bias, answer.logits, atol=1e-5)
        np.testing.assert_allclose(answer.slice_logits.mean(0), answer.logits, atol=1e-5)
        assert answer.error < 1e-5


def scaled_cam(factor):
    return lambda recognizer, features, classes: cam(recognizer, features, classes) * factor


def test_the_completeness_error_of_each_clip_is_measured():
    errors = [answer.error for answer in run(maps=scaled_cam(1.005))]
    assert 1e-4 < max(errors) <= COMPLETENESS_LIMIT
    assert [answer.error for answer in run(maps=scaled_cam(2.0), complete=False)] == [None] * len(errors)


def test_maps_that_do_not_add_up_to_the_logits_fail_the_run():
    with pytest.raises(ModelError, match="the maps of tiny do not add up to its logits"):
        run(maps=scaled_cam(1.5))


def test_a_wrong_linear_head_fails_the_run_with_the_name_of_the_network():
    class Wrong(TinyRecognizer):
        @property
        def linear(self):
            return LinearHead(self.fc.weight, self.fc.bias + 1)

    with pytest.raises(ModelError) as caught:
        run(Wrong(name="mine"))
    assert "the maps of mine do not add up to its logits" in caught.value.what
    assert "completeness error" in caught.value.why and "`linear` is not its head" in caught.value.why
    assert "return None there" in caught.value.todo and caught.value.exit_code == 6


def test_the_batch_size_does_not_change_the_maps():
    one = run()
    many_net = TinyRecognizer()
    many = run(many_net, batch=3)
    assert many_net.seen[0][0] == 3
    for a, b in zip(one, many, strict=True):
        np.testing.assert_allclose(a.maps, b.maps, atol=1e-5)
        assert a.classes.tolist() == b.classes.tolist()


def test_each_clip_maps_its_top_classes_and_those_of_the_clip_before():
    answers = run(selection=ClassSelection(top_k=1))
    tops = [set(a.slice_logits.argmax(1).tolist()) for a in answers]
    assert set(answers[0].classes.tolist()) == tops[0]
    for before, now, answer in zip(tops, tops[1:], answers[1:], strict=False):
        assert set(answer.classes.tolist()) == before | now
    assert all((np.diff(a.classes) > 0).all() for a in answers)


def test_selected_classes_are_mapped_always_and_alone():
    assert {tuple(a.classes.tolist()) for a in run(selection=ClassSelection((3, 1)))} == {(1, 3)}


def test_out_of_memory_halves_the_batch_with_a_note():
    class Small(TinyRecognizer):
        def features(self, clips, keep=None):
            if len(clips) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().features(clips, keep)

    notes = []
    recognizer = Small()
    out = run(recognizer, source=clips(60), batch=8, note=notes.append)
    assert len(out) == len(clips(60))
    assert max(shape[0] for shape in recognizer.seen) == 2
    assert notes == [
        "out of memory: the batch was lowered to 4 clips",
        "out of memory: the batch was lowered to 2 clips",
    ]


def test_one_clip_that_does_not_fit_is_an_error_with_advice():
    class Tiny(TinyRecognizer):
        def features(self, clips, keep=None):
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
            )

    with pytest.raises(DeviceError, match="--map-size"):
        run(Tiny())


def test_other_errors_are_not_mistaken_for_lack_of_memory():
    class Broken(TinyRecognizer):
        def features(self, clips, keep=None):
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        run(Broken())


def test_nan_is_noted_with_its_frames_and_never_mapped():
    class Broken(TinyRecognizer):
        calls = 0

        def features(self, clips, keep=None):
            self.calls += 1
            found = super().features(clips, keep)
            if self.calls == 2:
                found.maps[0, 0] = float("nan")
            return found

    notes = []
    answers = run(Broken(), note=notes.append)
    assert len(answers[1].classes) == 0
    assert (answers[1].logits < -1000).all()
    assert all(np.isfinite(a.maps).all() and np.isfinite(a.logits).all() for a in answers)
    assert "NaN" in notes[0] and "frames 8 to 22" in notes[0]


class NonlinearNan(TinyRecognizer):
    """A network with a head that is differentiated and returns NaN for its first batch."""

    batches = 0

    @property
    def linear(self):
        return None

    def head(self, features):
        logits = super().head(features).square()
        if features.maps.requires_grad:  # called for the maps
            return logits
        self.batches += 1
        return logits * float("nan") if self.batches == 1 else logits


def differentiated(recognizer, features, classes):
    return activation_maps(load_method("gradcam"), recognizer, features, classes)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_nonlinear_head_that_returns_nan_is_noted_and_not_mapped(batch):
    """The clips of the first batch have no maps; the others do."""
    notes = []
    answers = run(NonlinearNan(), maps=differentiated, complete=False, batch=batch, note=notes.append)
    assert [len(answer.classes) == 0 for answer in answers[: batch + 1]] == [True] * batch + [False]
    assert all(np.isfinite(answer.maps).all() and np.isfinite(answer.logits).all() for answer in answers)
    assert len(notes) == batch and all("returned NaN" in note for note in notes)


def test_a_nonlinear_head_that_always_returns_nan_gives_clips_without_maps():
    class Broken(NonlinearNan):
        def head(self, features):
            return super().head(features) * float("nan")

    answers = run(Broken(), maps=differentiated, complete=False)
    assert len(answers) == len(clips()) and all(answer.maps.shape[0] == 0 for answer in answers)


def test_maps_may_come_from_another_size_than_scores():
    recognizer = TinyRecognizer()
    answers = run(recognizer, source=clips(sides=(24, 48)))
    assert {shape[-2:] for shape in recognizer.seen} == {(24, 32), (48, 64)}
    assert answers[0].maps.shape[2:] == (12, 16)
    small = run(source=clips(sides=(24,)))
    np.testing.assert_allclose(answers[0].logits, small[0].logits, atol=1e-6)
    assert answers[0].error < 1e-5  # against the logit of its own size


def test_no_grad_mode_leaks_to_the_consumer():
    stream = recognize(clips(), plan_of())
    next(stream)
    assert not torch.is_inference_mode_enabled()
    stream.close()


def test_a_batch_of_several_videos_has_the_features_of_each_alone():
    net = TinyRecognizer()
    videos = torch.randn(3, 3, 8, 24, 32, generator=torch.Generator().manual_seed(0))
    requests = [ForwardRequest(videos[:1], (2, 6)), ForwardRequest(videos[1:], (2, 6))]
    assert requests[0].key == requests[1].key
    for one, other in zip(backbone_batch(net, requests), requests, strict=True):
        torch.testing.assert_close(one.maps, net.features(other.clips, (2, 6)).maps)
    assert ForwardRequest(videos[:1], None).key != requests[0].key
