# Everything in a fresh clone: `make test`. The environment is made once and remade when pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install test lint format clean

help:  ## show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test]'
	# grad-cam brings the OpenCV without windows, which overwrites the one with; put that back.
	$(BIN)/pip install --quiet --force-reinstall --no-deps opencv-python
	touch $@

install: .venv/installed  ## make .venv with camreel in it

test: install lint  ## run every test
	$(BIN)/python -m pytest

lint: install  ## check style and types
	$(BIN)/ruff check pipeline tests
	$(BIN)/ruff format --check pipeline tests
	$(BIN)/mypy

format: install  ## format the code
	$(BIN)/ruff check --fix pipeline tests
	$(BIN)/ruff format pipeline tests

clean:  ## remove what was made here
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
