"""The clips held out: what a network makes of them, and the checkpoint that it is kept in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from camreel.models.checkpoint import save
from camreel.models.loading import load
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.structures import F32
from camreel.train.clips.classification_report import ClassificationReport
from camreel.train.clips.clip_cache import Shelf
from camreel.train.clips.dataset import Example
from camreel.train.clips.embeddings import Backbone, vectors
from camreel.train.clips.fine_tuner import Tuner
from camreel.train.clips.linear_probe import Head, temperature


@dataclass(frozen=True, slots=True)
class Exam:
    """Takes the averaged network of a tuner to the clips held out."""

    tuner: Tuner
    network: TorchRecognizer
    """That it started from."""
    shelf: Shelf
    held: Sequence[Example]
    classes: tuple[str, ...]
    device: str

    def take(self) -> ClassificationReport:
        """What it makes of them, with its logits divided by the temperature at which its scores are most likely."""
        logits = self._logits(self.network, self.tuner.backbone, self.tuner.head)
        truth = np.array([self.classes.index(example.label) for example in self.held])
        return self._verdict(logits, temperature(logits, truth))

    def keep(self, checkpoint: Path, verdict: ClassificationReport, metrics: dict[str, Any], command: str) -> None:
        """Writes it, with the temperature in its head, so that its maps still add up to its logits.

        Raises:
            OutputError: the file cannot be written.
        """
        head = self.tuner.head.scaled(1 / verdict.temperature)
        layer = self.network.architecture.classifier
        tensors = dict(self.tuner.average.state_dict())
        tensors[f"{layer}.weight"] = torch.from_numpy(head.weight).reshape(tensors[f"{layer}.weight"].shape)
        tensors[f"{layer}.bias"] = torch.from_numpy(head.bias)
        low, high = verdict.interval(0)
        measured = {
            "macro_f1": round(verdict.macro_f1, 4),
            "macro_f1_interval": [round(low, 4), round(high, 4)],
            "calibration_error": round(verdict.calibration_error, 4),
        }
        # What boxes begin at was calibrated for other maps of other classes.
        fields = {
            "classes": self.classes,
            "multilabel": False,
            "metrics": measured | metrics,
            "source": command,
            "threshold": None,
        }
        save(checkpoint, tensors, self.network.metadata.model_copy(update=fields))

    def of(self, checkpoint: Path) -> ClassificationReport:
        """What the network in a file makes of them, as it is.

        Raises:
            ModelError: the file cannot be used.
        """
        network = load(str(checkpoint))
        assert isinstance(network, TorchRecognizer) and network.linear is not None
        network.to(self.device)
        head = Head(network.linear.weight.cpu().numpy(), network.linear.bias.cpu().numpy())
        return self._verdict(self._logits(network, lambda x: network.features(x).maps, head), 1.0)

    def _logits(self, network: TorchRecognizer, backbone: Backbone, head: Head) -> F32:
        """[N, C]"""
        of_clips = (vectors(self.shelf.pictures(example), network, backbone, self.device) for example in self.held)
        return np.stack([head.logits(windows).mean(axis=0) for windows in of_clips])

    def _verdict(self, logits: F32, scale: float) -> ClassificationReport:
        scores = torch.from_numpy(logits / np.float32(scale)).softmax(dim=1).numpy()
        return ClassificationReport(self.classes, tuple(self.held), scores, scale)
