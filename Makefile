# Two commands for a new user: `make run` and `make test`. Both work from a fresh clone.
.DEFAULT_GOAL := help
.PHONY: help run ui test lint audit bench soak dev lock clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
export HANDRAIL_HOME ?= $(CURDIR)/var
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The locks are complete, so pip need not (and, for extras, cannot) resolve anything itself.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --no-deps

help: ## show the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

run: $(VENV)/run.done ## a whole night: on the demo world at first, then on what handrail.toml says
	@$(BIN)/handrail run $(if $(wildcard $(HANDRAIL_HOME)/handrail.toml),,--source simulated) $(ARGS) \
		|| { code=$$?; [ $$code -eq 3 ] || exit $$code; echo "Published; what is in quarantine is counted above (exit code 3)."; }

ui: $(VENV)/run.done ## Dagster UI on http://127.0.0.1:3000
	@$(BIN)/handrail ui $(ARGS)

# A file's tests stay together, since they share what was made for them; PARALLEL= runs one after the other.
PARALLEL ?= -n auto --dist loadfile

test: $(VENV)/test.done ## all tests
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: $(VENV)/dev.done ## formatting, lint, types, import contracts, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate -w workspace.yaml
	$(BIN)/dg check defs
	$(BIN)/python docs/generate.py --check

audit: $(VENV)/dev.done ## locks, licences, secrets, a reproducible wheel, bandit, known vulnerabilities
	$(BIN)/python .ci/audit.py $(ARGS)
	$(BIN)/bandit -q -c pyproject.toml -r pipelines models features data_contracts

bench: $(VENV)/test.done ## the short benchmarks, printed as a table
	@$(BIN)/python -m pytest tests/bench -q -s $(ARGS)

soak: $(VENV)/test.done ## the long tests of trust, hours of them: kills, load, nights in a row; docs/reliability.md has their figures
	@$(BIN)/python -m pytest tests/soak -q -s $(ARGS)

dev: $(VENV)/dev.done ## install every extra

lock: ## compile both lock files anew (needs uv); old pins stay unless ARGS=--upgrade
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q \
		--python-version 3.11 --extra install $(ARGS) pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q \
		--python-version 3.11 --all-extras -c requirements.lock $(ARGS) pyproject.toml -o requirements-dev.lock

clean: ## remove the environment; the home stays
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Handrail needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python has no venv module here. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.done: requirements.lock pyproject.toml | $(BIN)/python
	@$(PIP_INSTALL) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.done: requirements-dev.lock $(VENV)/run.done
	@$(BIN)/python .ci/locked_extra.py test > $(VENV)/test.lock
	@$(PIP_INSTALL) -r $(VENV)/test.lock
	@touch $@

$(VENV)/dev.done: requirements-dev.lock $(VENV)/run.done
	@$(PIP_INSTALL) -r requirements-dev.lock
	@touch $@
