"""Classification networks: names, checkpoints and factories in, a `Recognizer` out. Importable without torch."""
