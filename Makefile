# Everything in a fresh clone: `make test`. The environment is made once and remade when pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin
# Processes of the tests. torch gets a thread for each: more would compete for the same cores.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)
# Split, seed and seconds of each.
SAMPLES := single-7-5 pair-12-6 crowd-3-6 sequence-6-8 moving-5-6

.PHONY: help install demo check test coverage lint format samples clean

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

demo: install  ## show the actions in a sample video: writes demo/
	$(BIN)/camreel demo --overwrite

check: install lint  ## check style and types, and run the fast tests
	$(PYTEST) -m "fast and not slow"

test: install lint  ## run every test
	$(PYTEST)

coverage: install  ## run every test and report the coverage of lines
	$(PYTEST) --cov --cov-report=term:skip-covered

lint: install  ## check style and types
	$(BIN)/ruff check pipeline tests
	$(BIN)/ruff format --check pipeline tests
	$(BIN)/mypy

format: install  ## format the code
	$(BIN)/ruff check --fix pipeline tests
	$(BIN)/ruff format pipeline tests

samples: install  ## make sample_videos anew
	set -e; for film in $(SAMPLES); do set -- $$(echo $$film | tr - ' '); \
	$(BIN)/camreel figures sample_videos --videos 1 --split $$1 --seed $$2 --seconds $$3 --overwrite; done

clean:  ## remove everything that was made here
	rm -rf .venv .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist demo
