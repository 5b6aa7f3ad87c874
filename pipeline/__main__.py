"""`python -m pipeline` is `camreel`."""

from pipeline.cli import main

main()
