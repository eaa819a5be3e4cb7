# Each target first makes .venv, or returns at once when it is up to date (scripts/setup.py).

PYTHON ?= python3
BIN := .venv/bin

help:
	@echo "make demo       compare, train and use adapters on the recordings that ship, in demo/"
	@echo "make test       run the quick selection of the tests"
	@echo "make test-all   run all tests, each method on each family too"
	@echo "make mutants    put known faults into the source and see that the tests notice"
	@echo "make check      ruff, ruff format, mypy and lint-imports"
	@echo "make docs       build the documentation into site/"
	@echo "make bench      measure what work is saved, and write the page of speed"
	@echo "make benchmark  measure everything again, accuracy too"
	@echo "make setup      make .venv only"
	@echo "make clean      remove what the others made, all but .venv"

setup:
	@$(PYTHON) scripts/setup.py

demo: setup
	@$(BIN)/python examples/demo.py

test: setup
	@$(BIN)/python -m pytest

test-all: setup
	@$(BIN)/python -m pytest -m "not gpu and not network"

mutants: setup
	@$(BIN)/python scripts/mutants.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs:
	@$(PYTHON) scripts/setup.py docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: setup
	@$(PYTHON) scripts/setup.py benchmark
	@$(BIN)/python -W ignore benchmarks/bench.py
	@$(BIN)/python benchmarks/page.py

benchmark:
	@$(PYTHON) scripts/setup.py benchmark
	@for script in gradients manifest presets pretrained step tasks bench page; do \
		echo "$$script"; $(BIN)/python benchmarks/$$script.py || exit 1; done

clean:
	rm -rf demo site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests examples benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help setup demo test test-all mutants check docs bench benchmark clean
