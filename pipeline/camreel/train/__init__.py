"""Training: one `Trainer` for every kind of training, and a `Task` for each kind.

    tasks/films.py   the bundled network `figures`, from synthetic films of drawn people; labels of windows alone
    tasks/clips.py   a user's own actions, from labeled clips: a new head first, then the backbone with it
    trainer.py       steps, weight average, time budget, epochs, early stopping, validation, saving, progress
    task.py          the protocol between the trainer and its tasks

A task gives batches, the loss, an optimizer and the validation; the trainer does the rest. A new kind of training is
one file in `tasks`. Data of films come from `render_pool` and `replay_buffer`, data of clips from `dataset`,
`clip_cache`, `training_data` and `batch_sampler`; `embeddings` and `linear_probe` fit the head. Nothing is imported
here: the processes that render films need no torch.
"""
