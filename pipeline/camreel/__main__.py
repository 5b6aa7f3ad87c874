"""`python -m camreel` is `camreel`."""

from camreel.cli.app import main

main()
