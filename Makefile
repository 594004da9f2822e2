# Each target makes .venv in the checkout where it is missing; another Python: make PYTHON=python3.12 test
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench soak lock clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

demo: $(READY)  ## a local cell with competing schedulers, on real input, with its figures at the end
	$(VENV)/bin/omega demo

test: check  ## the checks and every test but soak and bench
	$(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: $(READY)  ## lint, format, types, import layers
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

format: $(READY)  ## format the code and mend what ruff can mend
	$(VENV)/bin/ruff check --fix-only
	$(VENV)/bin/ruff format

bench: $(READY)  ## the floor of the commit: placements a second, and one claim's latency
	$(VENV)/bin/omega bench commit

soak: $(READY)  ## the long random histories
	$(PY) -m pytest -m soak --timeout=14400 -o faulthandler_timeout=0

# Made again when the lock or pyproject.toml changes; a half-made one is finished, a broken one made anew.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) on PATH; omegacell needs Python 3.11 or newer, choose one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: omegacell needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1); choose one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) cannot make a virtual environment, its ensurepip is missing; install it (Debian, Ubuntu: the package python3-venv) or choose another with: make PYTHON=..." >&2; exit 1; }
	@echo "$(VENV) 1/3: $$($(PYTHON) -V)"
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "$(VENV) 2/3: the packages of requirements.lock (about a minute the first time)"
	@$(PY) -m pip install --quiet --requirement requirements.lock
	@echo "$(VENV) 3/3: omegacell itself, editable"
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## requirements.lock from pyproject.toml; the newest versions: make lock UPGRADE=--upgrade
	@$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-emit-index-url --custom-compile-command "make lock" $(UPGRADE) --output-file requirements.lock pyproject.toml

clean:  ## remove .venv, caches and builds
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
