"""`python -m pipeline` is `camreel`."""

from pipeline.cli.app import main

main()
