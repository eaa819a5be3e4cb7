# Targets first create .venv with scripts/setup.py, which returns at once if it is up to date.

PYTHON ?= python3
BIN := .venv/bin

help:
	@echo "make demo        compare, train and use adapters on the recordings included, in demo/"
	@echo "make test        run the quick selection of the tests"
	@echo "make test-all    run all tests, including every method on every model family"
	@echo "make mutants     insert known faults into the source and check that the tests fail"
	@echo "make check       run ruff, ruff format, mypy and lint-imports"
	@echo "make docs        build the documentation into site/"
	@echo "make bench       measure speed and memory, and write the Benchmarks page"
	@echo "make benchmark   run all benchmarks, including accuracy"
	@echo "make wheel       build a wheel, and try it in empty environments with the lowest and highest versions"
	@echo "make gpu-wheels  download into wheels/ what a GPU machine without a network needs"
	@echo "make gpu-check   test and measure on a GPU, in at most eight minutes"
	@echo "make setup       create .venv only"
	@echo "make clean       remove all generated files except .venv and wheels/"

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
	@for script in ensemble gradients manifest many_trials presets pretrained step study tasks bench page; do \
		echo "$$script"; $(BIN)/python benchmarks/$$script.py || exit 1; done

wheel:
	@$(PYTHON) scripts/wheel.py

gpu-wheels: setup
	@$(PYTHON) scripts/setup.py benchmark
	@$(BIN)/python scripts/gpu_packages.py

# With the machine's own Python, which has its torch.
gpu-check:
	@$(PYTHON) scripts/gpu_check.py

clean:
	rm -rf demo site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests examples benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help setup demo test test-all mutants check docs bench benchmark wheel gpu-wheels gpu-check clean
