"""Learning a user's own actions: labelled clips in, a checkpoint out."""

from pipeline.learn.clips.catalog import Example
from pipeline.learn.clips.run import Plan, Reading, Taught, train_clips
from pipeline.learn.clips.tune import EPOCHS, Tuning
from pipeline.learn.clips.verdict import Verdict

__all__ = ["EPOCHS", "Example", "Plan", "Reading", "Taught", "Tuning", "Verdict", "train_clips"]
