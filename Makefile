VENV ?= .venv
PYTHON ?= python3
STORAGE ?= runs/quickstart
BIN := $(VENV)/bin

.PHONY: quickstart test test-machines lint install clean
.DEFAULT_GOAL := quickstart

install: $(VENV)/.installed
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e '.[test,lint]'
	touch $@

$(VENV)/.installed-evaluation: $(VENV)/.installed
	$(BIN)/pip install -q -c constraints.txt -e '.[test,lint,evaluation]'
	touch $@

quickstart: install
	$(BIN)/raycl sweep configs/quickstart.yaml --storage $(STORAGE)

test: $(VENV)/.installed-evaluation lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# Several raylets that come and go: minutes each, and no part of `make test`.
test-machines: $(VENV)/.installed-evaluation
	OMP_NUM_THREADS=1 $(BIN)/pytest -m machines

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs
