# Needs python3 (3.11 or later), python3-venv and make; all else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
COLLIMA_SOAK ?= long
SHORT := COLLIMA_SOAK_KILLS=20 COLLIMA_SOAK_FILTERS=10000 COLLIMA_SOAK_PEOPLE=50000
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest # it starts our programs a thousand times: compile them once
TESTERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

help: ## the targets of this file
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: .venv/installed ## five acts on an invented campus, with no server at all
	@$(BIN)/python examples/demo.py

demo-google: .venv/developing ## the same campus against a Google of our own: groups, and a bad day
	@$(BIN)/python -m examples.demo_google

test: .venv/developing ## the tests, with real servers, side by side (about ten minutes)
	@.ci/servers
	$(PYTEST) -m "not soak" -n $(TESTERS) --dist worksteal

soak: .venv/developing ## long campaigns: kill -9, scale, filters in bulk (COLLIMA_SOAK=short for minutes)
	@.ci/servers
	COLLIMA_SOAK=$(COLLIMA_SOAK) $(if $(filter short,$(COLLIMA_SOAK)),$(SHORT)) $(PYTEST) -m soak --timeout 14400

check: .venv/developing ## lint, format, types, layers, and what is in the wheel
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/wheel.py

bench: .venv/developing ## the figures: LDAP, Sympa, the service, Google, copies and the quarantine, each against its limit
	@.ci/servers
	$(BIN)/python -m bench

docs: .venv/developing ## docs/reference/kinds.md, from the code
	$(BIN)/python -m collima.app.reference > docs/reference/kinds.md.new
	@mv docs/reference/kinds.md.new docs/reference/kinds.md

.venv/bin/python:
	@$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv …"
	@$(PIP) --editable .
	@touch $@

.venv/developing: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv, with what development needs …"
	@$(PIP) --editable '.[dev]'
	@touch $@ .venv/installed

.PHONY: help demo demo-google test soak check bench docs
