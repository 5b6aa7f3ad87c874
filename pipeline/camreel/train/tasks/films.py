"""Training of the network `figures` on synthetic films, from labels of windows alone."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from camreel.metrics.classification_report import mean_average_precision, require_scikit_learn, top1_accuracy
from camreel.models.checkpoint import Metadata
from camreel.models.figures import BUNDLE, Inputs, fresh
from camreel.recognize.backend import choose_device
from camreel.runtime.hardware import cpu_count
from camreel.structures import F32
from camreel.synthetic import ACTIONS, film
from camreel.train.checkpointing import TrainingFiles
from camreel.train.loss import POSITIVE_WEIGHT, FullyConvolutional, Pooling, balanced_loss, normalize, window_logits
from camreel.train.optimizer import MuonAdamW
from camreel.train.precision import choose_precision
from camreel.train.render_pool import EASY_FILMS, VALIDATION_SEED, Renderer, RenderPool, render_clip
from camreel.train.replay_buffer import INITIAL_FILMS, FilmBatch, FilmSource, ReplayBuffer, held_out_batch
from camreel.train.trainer import OnProgress, Trainer, TrainerOptions, TrainingProgress

VALIDATION_FILMS = 144
"""Number of held-out films."""
VALIDATION_BATCH = 8
"""Clips per batch in validation."""
RATE = 2e-3
"""Highest learning rate."""
AVERAGE_DECAY = 0.998
"""Weight that the average of the network keeps at each step."""
MAX_GRADIENT_NORM = 2.0
"""Gradients with a larger norm are scaled down to it."""
TRIAL_SHAPE = (2, 32, 96, 96, 3)
"""Shape of the batch with which number formats are compared [B, T, H, W, 3]."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilmTrainingOptions:
    """How to train the network `figures`."""

    seconds: float = 5400.0
    """Maximum seconds of training in all, those of earlier runs included."""
    seed: int = 0
    """Seed of the network's first weights and of the films."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    inputs: Inputs = "both"
    """Inputs of the network: both, rgb or difference."""
    pooling: Pooling = "both"
    """Cells of a map that make its logit in training: all (mean), the highest (top), or one loss of each (both)."""
    workers: int | None = None
    """Processes that render films; None: by the number of cores."""
    batch_size: int = 16
    """Clips per batch."""

    @property
    def fixed(self) -> dict[str, str]:
        """Options that a resumed run must not change."""
        return {"inputs": self.inputs, "pooling": self.pooling, "seed": str(self.seed)}


@dataclass(frozen=True, slots=True)
class FilmTrainingResult:
    """Result of a training on films."""

    checkpoint: Path
    state: Path
    """File from which the next run can resume."""
    steps: int
    elapsed: float
    """Seconds of training, those of earlier runs included."""
    scores: dict[str, float]
    """The last validation: map (mean average precision), top1 and loss, with its step and seconds."""


def train_figures(
    output: str | Path,
    options: FilmTrainingOptions | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = lambda progress: None,
    render: Renderer = film,
) -> FilmTrainingResult:
    """Train the network `figures` on films of the action world, from labels of windows alone.

    Args:
        output: the checkpoint, FILE.safetensors; FILE.state.safetensors beside it is for resuming. Both are written
            every minute.
        options: how to train.
        resume: continue from the state beside `output`; without one, start from the beginning.
        overwrite: replace existing files.
        on_progress: called for each film of the preparation and after each step; may raise KeyboardInterrupt, and
            everything is saved.
        render: renders films.

    Raises:
        ConfigError: scikit-learn is missing, the options do not fit, the output exists, or no time is left.
        OutputError: the output cannot be written.
        ModelError: the state cannot be read, or the training has diverged.
        DeviceError: the device is missing, or a process that renders died.

    Example:
        >>> result = train_figures("mine.safetensors", FilmTrainingOptions(seconds=600))
        >>> result.scores["map"]
    """
    require_scikit_learn()
    options = options or FilmTrainingOptions()
    files = TrainingFiles(Path(output), options.fixed)
    resumes = files.check(resume=resume, overwrite=overwrite)
    device = choose_device(options.device)
    task = FilmTask(options, device)
    settings = TrainerOptions(options.seconds, RATE, AVERAGE_DECAY, MAX_GRADIENT_NORM)
    trainer = Trainer(task, settings, files)
    if resumes:
        trainer.resume()
    else:
        # An output that cannot be written is known before anything is rendered.
        trainer.save_state()
    log.info("training on %s in %s", device, choose_precision(task, _trial_batch(), device))
    workers = options.workers or max(1, cpu_count() - 2)
    with closing(RenderPool(render, options.seed, task.counters["next"], workers)) as pool:
        task.prepare(pool, render, lambda films: on_progress(_preparation(films, trainer)))
        trainer.train(on_progress)
    return FilmTrainingResult(files.checkpoint, files.state, trainer.step, trainer.elapsed, trainer.history.entries[-1])


def _preparation(films: int, trainer: Trainer[FilmBatch]) -> TrainingProgress:
    activity = f"film {films} of {VALIDATION_FILMS + INITIAL_FILMS}"
    return TrainingProgress(activity, trainer.step, trainer.elapsed, trainer.options.seconds)


def _trial_batch() -> FilmBatch:
    clips, frames = TRIAL_SHAPE[:2]
    labels = np.zeros((clips, 1, len(ACTIONS)), np.float32)
    windows = np.full((clips, 1, frames), 1 / frames, np.float32)
    return FilmBatch(np.zeros(TRIAL_SHAPE, np.uint8), windows, labels, labels + 1)


class FilmTask:
    """The task of a training on films: multi-label classification of windows.

    Args:
        options: how to train.
        device: device of the network.
    """

    advice = "the last good checkpoint is kept; start again with another --seed"

    def __init__(self, options: FilmTrainingOptions, device: str) -> None:
        # Every class starts from the logit of a class that one of so many windows has.
        bias = math.log(POSITIVE_WEIGHT / (len(ACTIONS) - 1))
        self.net: nn.Module = fresh(len(ACTIONS), options.seed, options.inputs, bias=bias).to(device).train()
        self.parameters = dict(self.net.named_parameters())
        self.optimizer = MuonAdamW(self.net)
        self.half = False
        self._options = options
        self._device = device
        self._buffer = ReplayBuffer(len(ACTIONS), options.batch_size, options.seed, INITIAL_FILMS)
        self._held_out: list[FilmBatch] = []

    def prepare(self, pool: FilmSource, render: Renderer, on_film: Callable[[int], None]) -> None:
        """Render the held-out films here, while the pool renders the first training films, and wait for these.

        Args:
            pool: source of training films.
            render: renders films.
            on_film: called with the number of films so far.
        """
        self._held_out = validation_batches(list(_held_out_films(render, on_film)))
        self._buffer.fill(pool, lambda films: on_film(VALIDATION_FILMS + films))

    @property
    def counters(self) -> Mapping[str, int]:
        """Position in the stream of films."""
        return self._buffer.counters

    def restore_counters(self, counters: Mapping[str, int]) -> None:
        """Continue from a saved position in the stream of films."""
        self._buffer.restore(counters)

    def draw(self, step: int, share: float) -> FilmBatch:
        """Return the batch of a step."""
        return self._buffer.draw(step, share)

    def epochs(self, step: int) -> float:
        """Return how many times a film was drawn so far, on average."""
        return self._buffer.draws_per_film

    def loss(self, net: nn.Module, batch: FilmBatch) -> Tensor:
        """Return the mean of the losses of the poolings."""
        labels = self._labels(batch)
        return torch.stack([balanced_loss(logits, *labels) for logits in self._logits(net, batch)]).mean()

    @torch.inference_mode()
    def validate(self, average: nn.Module, step: int, elapsed: float, loss: float) -> dict[str, float]:
        """Return mean average precision, top-1 accuracy of windows with one class, and loss on the held-out films."""
        logits, losses = [], []
        for batch in self._held_out:
            found = self._logits(average, batch)[0]
            logits.append(found.cpu().numpy())
            losses.append(balanced_loss(found, *self._labels(batch)).item())
        targets, weights = (_flat([getattr(b, name) for b in self._held_out]) for name in ("targets", "weights"))
        scores = _flat(logits)
        return {
            "step": step,
            "elapsed": elapsed,
            "map": mean_average_precision(scores, targets, weights),
            "top1": top1_accuracy(scores, targets, weights),
            "loss": float(np.average(losses, weights=[len(batch.pictures) for batch in self._held_out])),
        }

    def rank(self, entry: Mapping[str, float]) -> tuple[float, ...]:
        """Return the step: the latest network is kept."""
        return (entry["step"],)

    def checkpoint(self, average: nn.Module, metrics: Mapping[str, float]) -> tuple[Mapping[str, Tensor], Metadata]:
        """Return the averaged network."""
        command = " ".join(f"--{name} {value}" for name, value in self._options.fixed.items())
        source = f"camreel train --figures --time {self._options.seconds:.0f} {command}"
        fields = {"classes": ACTIONS, "source": source, "metrics": dict(metrics)}
        return average.state_dict(), BUNDLE.blank.model_copy(update=fields)

    def _logits(self, net: nn.Module, batch: FilmBatch) -> list[Tensor]:
        x = normalize(torch.from_numpy(batch.pictures).to(self._device))
        windows = torch.from_numpy(batch.windows).to(self._device)
        return window_logits(cast(FullyConvolutional, net), x, windows, self._options.pooling, self.half)

    def _labels(self, batch: FilmBatch) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(batch.targets).to(self._device), torch.from_numpy(batch.weights).to(self._device)


def _held_out_films(render: Renderer, on_film: Callable[[int], None]) -> Iterator[FilmBatch]:
    """Yield the held-out films, the same ones in every run."""
    for number in range(VALIDATION_FILMS):
        yield held_out_batch(render_clip(render, EASY_FILMS + number, VALIDATION_SEED), len(ACTIONS))
        on_film(number + 1)


def validation_batches(clips: Sequence[FilmBatch]) -> list[FilmBatch]:
    """Join batches of one clip to batches of clips of one size."""
    sizes = sorted({clip.pictures.shape for clip in clips})
    groups = [[clip for clip in clips if clip.pictures.shape == size] for size in sizes]
    starts = [(group, at) for group in groups for at in range(0, len(group), VALIDATION_BATCH)]
    return [FilmBatch.join(group[at : at + VALIDATION_BATCH]) for group, at in starts]


def _flat(parts: Sequence[F32]) -> F32:
    """Concatenate [B, W, C] of several batches to [N, C]."""
    return np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
