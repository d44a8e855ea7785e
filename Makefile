# The same verbs for people and for CI. `make demo` and `make test` each do all the set-up themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint type check bench clean

demo: .venv/.train
	$(BIN)/python train/reinforce.py --preset demo --out runs/demo --overwrite

test: lint type check

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: .venv/.dev
	$(BIN)/mypy

check: .venv/.dev
	$(BIN)/python -m pytest -n 2

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; type: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/.train .venv/.dev: .venv/.%: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv runs dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
