# Two commands do all the set-up: `make demo` and `make test`. Only Python 3.11+ and the package index are needed.
.DEFAULT_GOAL := help
.PHONY: help demo test lint types unit scores bench bench-full clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

ifneq ($(shell command -v uv 2>/dev/null),)
NEW_VENV = uv venv --quiet --allow-existing $(VENV)
INSTALL = VIRTUAL_ENV=$(VENV) uv pip install --quiet
else
NEW_VENV = $(PYTHON) -m venv $(VENV)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

help:
	@echo "make demo   evaluate the embedded model on three tasks and print the score table"
	@echo "make test   lint, types and every test"
	@echo "make scores publish the embedded model's scores from the answers in results/published"
	@echo "make bench  how fast evalkit itself is, beside bare loops of the official client and others (15 minutes)"
	@echo "make bench-full  the same with a million samples (an hour or two); BENCH='--save' keeps the table"
	@echo "make clean  remove the environment and caches (runs and answers stay)"

$(BIN)/python:
	$(NEW_VENV)

# A stamp per extra: the second `make demo` installs nothing.
$(VENV)/.installed-local: pyproject.toml | $(BIN)/python
	$(INSTALL) -e ".[local]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(INSTALL) -e ".[dev]"
	@touch $@

demo: $(VENV)/.installed-local
	$(BIN)/evalkit run -m experiment=demo task=sentiment,summarization,translation

test: lint types unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

unit: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

scores: $(VENV)/.installed-dev
	.ci/scores

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed/bench.py $(BENCH)

bench-full: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed/bench.py --full $(BENCH)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
