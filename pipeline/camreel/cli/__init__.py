"""The command line `camreel`.

`app.py` has the entry point, the list of commands and the small ones. Every large command is a file: `process` (with
`demo`), `live`, `train` and `train_clips`, `evaluate`, `figures`, `importing`, `docs`, `doctor`. They share the flags
of settings (`flags`), the paths of outputs (`outputs`), signals and runs over many inputs (`batch`), progress
(`progress`) and messages (`terminal`).
"""
