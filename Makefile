# `make help` says what there is. PYTHON is any Python from 3.11 on; VENV is where everything is installed.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= auto
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo up test check format docs bench mutants real clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## start a cloud, launch a server in it, and watch the 28 steps
	@$(BIN)/mockcloud demo

up: $(READY) ## run a cloud until Ctrl-C
	@$(BIN)/mockcloud up

test: $(READY) ## every test, in parallel
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

check: $(READY) ## format, lint, types, imports, documents, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m specs
	$(BIN)/python -m docs.generate --check

format: $(READY) ## put the format right
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## write the generated pages anew
	$(BIN)/python -m docs.generate

bench: $(READY) ## what things cost, against a floor measured in the same run
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.judging

mutants: $(READY) ## clouds that are wrong on purpose: which check notices which
	@$(BIN)/python -m tests.kill_matrix --write docs/mutants.md $(ARGS)

real: $(READY) ## the conformance suite on a real OpenStack: make real REAL=FOLDER
	@test -n "$(REAL)" || { echo "make real REAL=FOLDER: docs/real-openstack.md says which folder"; exit 1; }
	@$(BIN)/python -m tests.real $(REAL) $(ARGS)

clean: ## remove everything that was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist reports
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mockcloud needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
