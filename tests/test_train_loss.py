"""The loss of films: poolings, weights of windows and classes, normalization."""

from __future__ import annotations

import math

import pytest
import torch

from camreel.models.figures import BUNDLE
from camreel.train.loss import balanced_loss, normalize, window_logits
from camreel.train.replay_buffer import split_windows


def test_the_loss_weighs_positives_windows_and_classes():
    logits = torch.zeros(1, 2, 2)
    targets, weights = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    half = math.log(2)
    # Class 0: (3 + 1) / 2 windows; class 1: one window.
    assert balanced_loss(logits, targets, weights).item() == pytest.approx((2 * half + half) / 2)


def test_unclear_windows_have_no_gradient():
    logits = torch.zeros(1, 1, 2, requires_grad=True)
    balanced_loss(logits, torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.0, 1.0]]])).backward()
    assert logits.grad[0, 0, 0] == 0
    assert logits.grad[0, 0, 1] != 0


class Identity(torch.nn.Module):
    """The picture's red is the one feature and the one logit."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = torch.nn.Linear(1, 1)
        torch.nn.init.ones_(self.classifier.weight)
        torch.nn.init.zeros_(self.classifier.bias)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1]


def test_a_window_has_the_mean_of_its_frames_or_of_their_highest_cells():
    x = torch.zeros(1, 3, 4, 2, 5)
    x[0, 0, 0, 0, :2] = torch.tensor([6.0, 4.0])
    x[0, 0, 3, 1, 0] = 8.0
    windows = torch.from_numpy(split_windows(4, 2))[None]
    (mean,) = window_logits(Identity(), x, windows, "mean", half=False)
    (top,) = window_logits(Identity(), x, windows, "top", half=False)
    assert mean.flatten().tolist() == pytest.approx([0.5, 0.4])
    assert top.flatten().tolist() == pytest.approx([0.3, 0.4])  # the highest of 10 cells, over all 10
    both = window_logits(Identity(), x, windows, "both", half=False)
    assert torch.equal(torch.stack(both), torch.stack([mean, top]))


def test_pictures_are_normalized_as_the_checkpoint_says():
    pictures = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 1, 3)[None]
    blank = BUNDLE.blank
    wanted = [(value - blank.mean[0]) / blank.std[0] for value in (0, 1)]
    assert normalize(pictures)[0, 0, :, 0, 0].tolist() == pytest.approx(wanted)
    assert len({*blank.mean}) == len({*blank.std}) == 1
