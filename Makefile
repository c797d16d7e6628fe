# Two commands are all there is to remember: `make demo` and `make test`.
# They need Python 3.11 or newer with venv; everything else they install into .venv.

PYTHON ?= python3
BIN := .venv/bin
ROOMS := online detectors causal streaming dashboards benchmarks
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check parts clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo   watch a simulated failure being found (no Kafka needed)"
	@echo "make test   everything CI checks: style, types, tests"
	@echo "make check  style and types only"
	@echo "make clean  remove the environment and all that was built"

demo: .venv/.demo
	@$(BIN)/headwater demo

test: check parts
	@$(BIN)/python -m pytest

check: .venv/.dev .typing/headwater
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@MYPYPATH=.typing $(BIN)/mypy -p headwater

# A real browser and a real broker. In CI they are installed; elsewhere a missing one skips its tests with a line.
parts:
	@sh tests/parts.sh

.venv/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "headwater needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@echo "setting up .venv (once, about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@touch $@

.venv/.dev: .venv/.demo
	@$(PIP) --editable '.[dev,bench]'
	@touch $@

# mypy does not follow an editable install whose packages are mapped, so it gets links.
.typing/headwater: $(MAKEFILE_LIST)
	@mkdir -p $@
	@for room in $(ROOMS); do ln -sfn ../../$$room $@/$$room; done
	@for file in __init__.py __main__.py py.typed; do ln -sfn ../../headwater/$$file $@/$$file; done
	@touch $@

clean:
	@rm -rf .venv .typing .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
