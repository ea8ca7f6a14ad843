VENV ?= .venv
PYTHON ?= python3
STORAGE ?= runs/quickstart
BIN := $(VENV)/bin
PIP := $(BIN)/pip install -q -c constraints.txt
# Two processes share the tests by file, and each process has one thread for torch. A third one makes
# everything slower: every Ray brings a dozen processes of its own.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
FAST := not ray and not s3 and not browser and not machines and not slow

.PHONY: help install quickstart check lint format test-fast test test-machines coverage docs clean
.DEFAULT_GOAL := quickstart

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'

install: $(VENV)/.installed ## make the virtual environment with pinned versions

# torch comes first and by itself: an open range would take a build with CUDA.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e '.[test,lint]'
	touch $@

# One stamp for each further extra. It is older than the first stamp after each change of
# pyproject.toml or constraints.txt, so that the extra is then installed again too.
$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) -e '.[test,lint,$*]'
	touch $@

quickstart: install ## train, sweep and report on real text: six minutes on two cores
	$(BIN)/raycl sweep configs/quickstart.yaml --storage $(STORAGE)

check: install ## format, lint, types and import contract: seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

lint: check

format: install ## rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-fast: $(VENV)/.installed-evaluation ## tests without Ray, servers and browser: minutes
	$(PYTEST) -m "$(FAST)"

test: $(VENV)/.installed-evaluation check ## `make check`, then every test but test-machines
	$(PYTEST)

coverage: $(VENV)/.installed-evaluation ## `make test-fast` with the lines that it does not reach
	$(PYTEST) -m "$(FAST)" --cov --cov-report=term-missing

# Several raylets that come and go: minutes for each test, and no part of `make test`.
test-machines: $(VENV)/.installed-evaluation ## several machines that come and go, a short soak: minutes each
	OMP_NUM_THREADS=1 $(BIN)/pytest -m machines

docs: $(VENV)/.installed-docs ## the pages of docs/ as a site in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean: ## remove the virtual environment, runs/ and build/
	rm -rf $(VENV) runs build
