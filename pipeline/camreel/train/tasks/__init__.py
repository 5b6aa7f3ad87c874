"""The kinds of training, one module each: a `Task` for the trainer, and the function that runs a whole training.

`films.train_figures` trains the bundled network from synthetic films; `clips.train_clips` trains a network on labeled
clips.
"""
