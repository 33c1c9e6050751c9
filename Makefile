# Builds, tests and checks secretsync. Everything is installed into .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := .ci/constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)
PYTHON_FILES := src plugins tests .ci
# Side by side: most of their time, tests wait for servers.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo test check nightly bench format lint types layers protos protos-check wheels clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

# Each stamp stands for one set of installed packages; it is older than what defines the set
# exactly when something must be installed again.
$(VENV)/.installed: pyproject.toml plugins/octopus-deploy/pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit("secretsync needs Python 3.11 or newer: set PYTHON=...") if sys.version_info < (3, 11) else None'
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable . --editable 'plugins/octopus-deploy[sandbox]'
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	@echo "Installing the tools of the tests ..."
	@$(PYTHON) .ci/groups.py test > $(VENV)/test.txt
	@$(PIP) --requirement $(VENV)/test.txt
	@touch $@

$(VENV)/.check: $(VENV)/.test
	@echo "Installing the tools of the checks ..."
	@$(PYTHON) .ci/groups.py check > $(VENV)/check.txt
	@$(PIP) --requirement $(VENV)/check.txt
	@touch $@

install: $(VENV)/.installed ## Install secretsync and the Octopus sandbox into .venv

demo: $(VENV)/.installed ## Show the main job end to end; ENV_FILE=path takes your own .env for dev
	@$(BIN)/python tests/acceptance/demo $(if $(ENV_FILE),"$(ENV_FILE)")

test: $(VENV)/.test ## Run all tests
	$(PYTEST)

check: $(VENV)/.check lint types layers protos-check ## Run everything that CI runs
	@# The acceptance tests run below, against the wheels.
	$(PYTEST) --cov --cov-report=term --ignore=tests/acceptance
	$(BIN)/python -m pytest plugins/octopus-deploy/tests/clients/go_client.py
	$(MAKE) wheels

nightly: $(VENV)/.test ## Play 1,500 executions with faults and 2,500 histories of syncs, from a new seed
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -s \
		tests/engine/test_engine_proof.py tests/engine/test_octopus_histories.py tests/engine/test_crash.py

bench: $(VENV)/.test ## Measure what runs cost, beside what they cannot do without
	$(BIN)/python tests/bench

format: $(VENV)/.check ## Format Python and protos
	$(BIN)/ruff format $(PYTHON_FILES)
	$(BIN)/ruff check --fix $(PYTHON_FILES)
	$(BIN)/buf format --write

lint: $(VENV)/.check ## Check format and style of Python and protos
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code

types: $(VENV)/.check ## Check types
	$(BIN)/mypy src/secretsync plugins/octopus-deploy/src/secretsync_octopus_deploy

layers: $(VENV)/.check ## Check that imports keep to the layers
	$(BIN)/lint-imports --no-logo

protos: $(VENV)/.check ## Generate src/secretsync/v1 from protos
	$(BIN)/python .ci/protos.py src

protos-check: $(VENV)/.check ## Check that generating again changes nothing
	$(BIN)/python .ci/protos.py --check src

wheels: $(VENV)/.check ## Build the wheels, and run the acceptance tests against them alone
	$(BIN)/python .ci/wheels.py

clean: ## Remove what was built and installed
	rm -rf $(VENV) dist plugins/octopus-deploy/dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
