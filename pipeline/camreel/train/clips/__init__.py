"""Learning a user's own actions: labelled clips in, a checkpoint out."""

from camreel.train.clips.classification_report import ClassificationReport
from camreel.train.clips.dataset import Example
from camreel.train.clips.fine_tune import EPOCHS, Tuning
from camreel.train.clips.task import Plan, Reading, TrainingResult, train_clips

__all__ = ["EPOCHS", "Example", "Plan", "Reading", "TrainingResult", "Tuning", "ClassificationReport", "train_clips"]
