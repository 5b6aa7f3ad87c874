"""Training on labeled clips: a new head for a user's own actions first, then the backbone with it."""

from __future__ import annotations

import copy
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from camreel.errors import ConfigError, ModelError
from camreel.metrics.classification_report import ClassificationReport, fit_temperature, require_scikit_learn
from camreel.models.checkpoint import Metadata
from camreel.models.loading import load
from camreel.models.torch_recognizer import TorchRecognizer
from camreel.recognize.backend import choose_device
from camreel.structures import F32
from camreel.train.batch_sampler import BatchSampler, ClipBatch, steps_per_epoch
from camreel.train.checkpointing import TrainingFiles, check_output
from camreel.train.dataset import Dataset, LabeledClip, read_dataset, split_dataset
from camreel.train.linear_probe import Backbone, LinearProbe, choose_weight_decay, embed, fit_probe, normalize, pool
from camreel.train.optimizer import DecayedAdamW, Freeze, trained_parameters
from camreel.train.precision import choose_precision
from camreel.train.schedule import EarlyStopping
from camreel.train.trainer import Trainer, TrainerOptions, TrainingProgress
from camreel.train.training_data import ReadProgress, TrainingData, read_training_data

DEFAULT_BACKBONE = "figures"
MAX_EPOCHS = 12
RATES: dict[Freeze, float] = {"all": 1e-3, "half": 1e-3, "none": 3e-4}
"""Highest learning rate, by the part that stays as it is. Measured over three folds of source videos of fights, one
seed: with 1e-3 for the whole backbone macro-F1 is .76 in the last epoch, with 3e-4 .84."""
AVERAGE_DECAY = 0.98
"""Weight that the average of the network keeps at each step."""
MAX_GRADIENT_NORM = 1.0
"""Gradients with a larger norm are scaled down to it."""
LABEL_SMOOTHING = 0.1
"""Share of the label that is spread over all classes."""
TRIAL_CLIPS = 2
"""Number of clips with which number formats are compared."""

OnProgress = Callable[[ReadProgress | TrainingProgress], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClipTrainingOptions:
    """How to train on labeled clips."""

    model: str = DEFAULT_BACKBONE
    """The backbone: a network whose head is average pooling and a linear layer, or a checkpoint of one."""
    weights: str = "default"
    """Weights of the backbone."""
    freeze: Freeze = "half"
    """Part of the backbone that stays as it is: all, half or none."""
    seconds: float = 1800.0
    """Maximum seconds of training after the clips are read; those of earlier runs included."""
    patience: int = 8
    """Epochs in a row without a better macro-F1 after which the training ends."""
    seed: int = 0
    """Seed of the split, and of the order and the variants of the clips."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Result of a training on labeled clips."""

    checkpoint: Path
    held_out: ClassificationReport
    """Predictions of the checkpoint on the held-out clips."""
    trained_on: tuple[LabeledClip, ...]
    """Training clips."""
    skipped: tuple[str, ...]
    """Clips that could not be used, and why."""
    fold_macro_f1: float
    """Macro-F1 of the head alone, cross-validated over folds of groups of the training clips."""
    history: tuple[Mapping[str, float], ...]
    """An entry for the head alone (epoch 0) and for each epoch: epoch, elapsed, loss, held_out_loss, macro_f1."""


def train_clips(
    source: Path,
    output: Path,
    options: ClipTrainingOptions | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    on_progress: OnProgress = lambda progress: None,
) -> TrainingResult:
    """Train a network for the actions in labeled clips: first a new head, then the later half of the backbone with it.

    Args:
        source: folders of clips or a CSV file, see `read_dataset`.
        output: the checkpoint, FILE.safetensors. It always holds the best network so far; FILE.state.safetensors beside
            it is for resuming.
        options: how to train.
        overwrite: replace existing files.
        resume: continue from the state beside `output`; without one, start from the beginning.
        on_progress: called for each clip that is read and after each step; may raise KeyboardInterrupt, and the files
            stay usable.

    Raises:
        ConfigError: scikit-learn is missing, the output exists, the backbone has no linear head, or the state was made
            with other options or is at its end.
        InputError: there is too little to learn from.
        ModelError: the backbone or the state cannot be loaded, or the training has diverged.
        OutputError: the output cannot be written.

    Example:
        >>> result = train_clips(Path("clips"), Path("mine.safetensors"))
        >>> result.held_out.macro_f1
    """
    require_scikit_learn()
    options = options or ClipTrainingOptions()
    check_output(output)
    dataset = read_dataset(source)
    split_dataset(dataset, options.seed)  # an impossible split fails before anything is read
    network = _load_backbone(options.model, options.weights)
    files = TrainingFiles(output, _fixed_options(options, dataset))
    resumes = files.check(resume=resume, overwrite=overwrite)
    device = choose_device(options.device)
    network.to(device)
    data = read_training_data(dataset, source, network, options.seed, device, on_progress)
    task, folds = _make_task(network, data, options, source, device)
    trainer = Trainer(task, _trainer_options(options, data), files)
    if resumes:
        trainer.resume()
    if not trainer.history.entries:
        head_f1 = trainer.validate()["macro_f1"]
        words = "the head alone: macro-F1 %.3f on %d clips held out, folds of the others %.3f"
        log.info(words, head_f1, len(data.held_out), folds)
    if options.freeze != "all":
        log.info("training on %s in %s", device, choose_precision(task, task.trial_batch(), device))
        trainer.train(on_progress)
    history = tuple(trainer.history.entries)
    return TrainingResult(output, task.report_checkpoint(output), data.train, data.skipped, folds, history)


def _load_backbone(model: str, weights: str) -> TorchRecognizer:
    network = load(model, weights)
    if not isinstance(network, TorchRecognizer) or network.linear is None:
        why = "its head is not average pooling and a linear layer, so a new one would not make exact maps"
        todo = f"take {DEFAULT_BACKBONE}, mc3_18, r2plus1d_18 or their like"
        raise ConfigError(f"{model} cannot be trained on clips", why, todo)
    if network.weights == "random":
        why = "a head on them would learn nothing"
        raise ModelError(f"{model} has random weights", why, "name the file of real ones")
    return network


def _fixed_options(options: ClipTrainingOptions, dataset: Dataset) -> dict[str, str]:
    """Return the options that a resumed run must not change."""
    counts = Counter(clip.label for clip in dataset.clips)
    clips = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    fixed = {name: str(getattr(options, name)) for name in ("model", "weights", "freeze", "seed")}
    return {**fixed, "clips": clips}


def _make_task(
    network: TorchRecognizer, data: TrainingData, options: ClipTrainingOptions, source: Path, device: str
) -> tuple[ClipTask, float]:
    """Fit the new head, and return the task that starts from it, with the head's cross-validated macro-F1."""
    known = [data.embeddings[clip] for clip in data.train]
    decay, folds = choose_weight_decay(known, data.classes, data.mirror, options.seed)
    probe = fit_probe(known, data.classes, decay, data.mirror)
    clips = {"learned": len(data.train), "held_out": len(data.held_out), "skipped": len(data.skipped)}
    facts = {"folds_macro_f1": round(folds, 4), "clips": clips, "weight_decay": decay}
    return ClipTask(network, probe, data, _metadata(network, data, options, source, facts), options, device), folds


def _metadata(
    network: TorchRecognizer, data: TrainingData, options: ClipTrainingOptions, source: Path, facts: dict[str, Any]
) -> Metadata:
    """Return the metadata of the checkpoint, without the metrics of its validation."""
    names = ("model", "freeze", "seed")
    command = " ".join([f"camreel train {source.name}", *(f"--{name} {getattr(options, name)}" for name in names)])
    # The level at which boxes are cut was calibrated for other maps of other classes.
    fields = {"classes": data.classes, "multilabel": False, "metrics": facts, "source": command, "threshold": None}
    return network.metadata.model_copy(update=fields)


def _trainer_options(options: ClipTrainingOptions, data: TrainingData) -> TrainerOptions:
    stopping = EarlyStopping(steps_per_epoch(len(data.train)), MAX_EPOCHS, options.patience)
    return TrainerOptions(options.seconds, RATES[options.freeze], AVERAGE_DECAY, MAX_GRADIENT_NORM, stopping)


class ClipTask:
    """The task of a training on labeled clips: classification with one class per clip.

    The norms of the network keep their statistics: it learns in eval mode.

    Args:
        network: the backbone, on its device; stays as it is.
        probe: head that the training starts from.
        data: training and held-out clips.
        metadata: metadata of the checkpoint, without the metrics of its validation.
        options: how to train.
        device: device of the network.
    """

    advice = "the best checkpoint so far is kept; start again with another --seed, or with --freeze all"

    def __init__(
        self,
        network: TorchRecognizer,
        probe: LinearProbe,
        data: TrainingData,
        metadata: Metadata,
        options: ClipTrainingOptions,
        device: str,
    ) -> None:
        self._network, self._data, self._options, self._device = network, data, options, device
        self._classifier = network.architecture.classifier
        self._metadata = metadata
        self._class_weights = torch.tensor(data.class_weights, dtype=torch.float32, device=device)
        self._report: ClassificationReport | None = None
        """The latest validation."""
        self.net: nn.Module = copy.deepcopy(network.net)
        replace_classifier(self.net, self._classifier, probe)
        self.parameters = trained_parameters(self.net, self._classifier, options.freeze)
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self.optimizer = DecayedAdamW(self.parameters)
        self.half = False

    counters: Mapping[str, int] = {}
    """Empty: the batches depend on the step alone."""

    def restore_counters(self, counters: Mapping[str, int]) -> None:
        """Do nothing."""

    @cached_property
    def _sampler(self) -> BatchSampler:
        data, clip_len = self._data, self._network.clip_len
        return BatchSampler(data.train, data.cache, data.classes, clip_len, data.mirror, self._options.seed)

    def draw(self, step: int, share: float) -> ClipBatch:
        """Return the batch of a step."""
        return self._sampler.draw(step)

    def trial_batch(self) -> ClipBatch:
        """Return a small batch for measurements."""
        batch = self._sampler.draw(0)
        return ClipBatch(batch.pictures[:TRIAL_CLIPS], batch.labels[:TRIAL_CLIPS])

    def epochs(self, step: int) -> float:
        """Return the number of epochs after a step."""
        return step / steps_per_epoch(len(self._data.train))

    def loss(self, net: nn.Module, batch: ClipBatch) -> Tensor:
        """Return the cross-entropy with label smoothing; each class has the same weight."""
        x = normalize(batch.pictures, self._network, self._device)
        linear = self._network.linear
        assert linear is not None
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.half):
            maps = self._network.architecture.features(net, x).maps
        layer: Any = net.get_submodule(self._classifier)
        logits = functional.linear(pool(maps, linear), layer.weight.flatten(1), layer.bias)
        labels = torch.from_numpy(batch.labels).to(self._device)
        return functional.cross_entropy(logits, labels, self._class_weights, label_smoothing=LABEL_SMOOTHING)

    def validate(self, average: nn.Module, step: int, elapsed: float, loss: float) -> dict[str, float]:
        """Return loss and macro-F1 on the held-out clips, after scaling the logits by the best temperature."""
        head = read_head(average, self._classifier)
        logits = self._logits(self._network, lambda x: self._network.architecture.features(average, x).maps, head)
        truth = [self._data.classes.index(clip.label) for clip in self._data.held_out]
        self._report = self._make_report(logits, fit_temperature(logits, truth))
        entry = {
            "epoch": self.epochs(step),
            "elapsed": elapsed,
            "loss": loss,
            "held_out_loss": self._report.loss,
            "macro_f1": self._report.macro_f1,
        }
        return {name: round(value, 4) for name, value in entry.items() if math.isfinite(value)}

    def rank(self, entry: Mapping[str, float]) -> tuple[float, ...]:
        """Return the macro-F1; among equals a lower loss is better."""
        return entry["macro_f1"], -entry["held_out_loss"]

    def checkpoint(self, average: nn.Module, metrics: Mapping[str, float]) -> tuple[Mapping[str, Tensor], Metadata]:
        """Return the averaged network of the latest validation.

        Its temperature is folded into the head, so that the maps still add up to the logits.
        """
        report = self._report
        assert report is not None, "validate comes first"
        head = read_head(average, self._classifier).scaled(1 / report.temperature)
        weight, bias = f"{self._classifier}.weight", f"{self._classifier}.bias"
        tensors = dict(average.state_dict())
        tensors[weight] = torch.from_numpy(head.weight).reshape(tensors[weight].shape)
        tensors[bias] = torch.from_numpy(head.bias)
        low, high = report.interval(0)
        measured = {
            "macro_f1": round(report.macro_f1, 4),
            "macro_f1_interval": [round(low, 4), round(high, 4)],
            "calibration_error": round(report.calibration_error, 4),
        }
        return tensors, self._metadata.model_copy(update={"metrics": measured | self._metadata.metrics})

    def report_checkpoint(self, checkpoint: Path) -> ClassificationReport:
        """Return the predictions of the network in a file on the held-out clips.

        Raises:
            ModelError: the file cannot be used.
        """
        network = load(str(checkpoint))
        assert isinstance(network, TorchRecognizer)
        network.to(self._device)
        head = read_head(network.net, self._classifier)
        return self._make_report(self._logits(network, lambda x: network.features(x).maps, head), 1.0)

    def _logits(self, network: TorchRecognizer, backbone: Backbone, head: LinearProbe) -> F32:
        """Return the logits of the held-out clips [N, C], means over their windows."""
        pictures = (self._data.cache.pictures(clip) for clip in self._data.held_out)
        embeddings = (embed(clip, network, backbone, self._device) for clip in pictures)
        return np.stack([head.logits(windows).mean(axis=0) for windows in embeddings])

    def _make_report(self, logits: F32, temperature: float) -> ClassificationReport:
        scores = torch.from_numpy(logits / np.float32(temperature)).softmax(dim=1).numpy()
        return ClassificationReport(self._data.classes, self._data.held_out, scores, temperature)


def read_head(net: nn.Module, classifier: str) -> LinearProbe:
    """Return a copy of the linear head of a network.

    Args:
        net: the network.
        classifier: path of its last layer.
    """
    layer: Any = net.get_submodule(classifier)
    weight, bias = (tensor.detach().cpu().float().numpy() for tensor in (layer.weight.flatten(1), layer.bias))
    return LinearProbe(weight.copy(), bias.copy())


def replace_classifier(net: nn.Module, classifier: str, probe: LinearProbe) -> None:
    """Give a network a new last layer with the weights of a linear probe.

    Args:
        net: the network; changed in place.
        classifier: path of its last layer.
        probe: the new head.
    """
    layer: Any = net.get_submodule(classifier)
    device, shape = layer.weight.device, layer.weight.shape
    layer.weight = nn.Parameter(torch.tensor(probe.weight, device=device).reshape(-1, *shape[1:]), requires_grad=False)
    layer.bias = nn.Parameter(torch.tensor(probe.bias, device=device), requires_grad=False)
