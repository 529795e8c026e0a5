# trade-credit: `make run` is one night, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
UV_VERSION := 0.13.9
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin

.PHONY: help setup run test lint format bench ui clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the locked environment in .venv (needs Python 3.11+ only)

$(STAMP): pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "trade-credit needs Python 3.11 or newer and found none on PATH. Name one: make setup PYTHON=/path/to/python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@UV_COMPILE_BYTECODE=1 VIRTUAL_ENV=$(abspath $(VENV)) UV_PROJECT_ENVIRONMENT=$(abspath $(VENV)) $(BIN)/uv sync --frozen --inexact --quiet --python $(BIN)/python
	@touch $@

run: setup ## Run one night: the first makes the demo company, each further one lives a day more
	@$(BIN)/trade-credit run

test: setup ## Unit, graph and pipeline tests
	@$(BIN)/python -m pytest

lint: setup ## Style, types and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: setup ## Rewrite the code in the house style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: setup ## Where the time of a night goes, beside the raw engine
	@$(BIN)/python -m benchmarks.nightly

ui: setup ## The Dagster web interface on the same state
	@$(BIN)/trade-credit ui

clean: ## Remove the demo's state (not the environment)
	[ ! -d .trade-credit ] || chmod -R u+w .trade-credit  # publications are read-only
	rm -rf .trade-credit
