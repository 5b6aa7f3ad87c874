"""Learning a user's own actions: labelled clips in, a checkpoint with a new head out."""

from pipeline.learn.clips.run import Taught, Verdict, train_clips

__all__ = ["Taught", "Verdict", "train_clips"]
