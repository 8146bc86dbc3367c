# The commands of this project. `make help` lists them.
#
# Everything is installed into .venv once and again only when pyproject.toml changes, so
# that a second run of any command needs no network.

# The first Python on the PATH that is new enough and can make environments.
PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13,$(shell \
  $(p) -c 'import sys, venv, ensurepip; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))

VENV := .venv
PY := $(VENV)/bin/python
# A file of tests after the other on each core: many of them wait for a kernel or a page.
PYTEST := $(PY) -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
LITELLM := .build/litellm
FRONTENDS := .build/frontends
BOOK := .build/book
ARGS ?=
# Each kernel of a test would compile everything that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-long fuzz bench picture lint test-lowest test-frontends setup model book-tools clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.demo model  ## open the quickstart in JupyterLab (ARGS=--check: run it here, print what it shows)
	$(PY) scripts/demo.py $(ARGS)

# Real browsers, kernels and models, on a machine that others use too: what fails is run once
# more, and named at the end.
test: setup lint  ## all tests (ARGS="-k name" picks some)
	$(PYTEST) --reruns 1 -r fER $(ARGS)

test-long: setup  ## all tests, the long suites in full: hours
	NBSTREAM_LONG=1 $(PYTEST) --timeout 7200 $(ARGS)

fuzz: setup  ## the generated documents and streams only, in full
	NBSTREAM_LONG=1 $(PYTEST) --timeout 7200 -m fuzz $(ARGS)

bench: $(VENV)/.test  ## measure; writes benchmarks/RESULTS.md
	$(PY) benchmarks/run.py $(ARGS)

picture: setup  ## take the README's pictures anew
	NBSTREAM_PICTURES=1 $(PY) -m pytest tests/browser/test_pictures.py

lint: $(VENV)/.test  ## formatting, lint and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

test-lowest: $(VENV)-lowest/.test setup  ## the tests against the lowest versions in pyproject.toml
	$(VENV)-lowest/bin/python -m pytest -m "not browser" $(ARGS)

test-frontends: $(FRONTENDS)/.done $(BOOK)/.done  ## the tests in the tools that people run notebooks with
	$(FRONTENDS)/bin/python -m pytest tests/frontends $(ARGS)

setup: $(VENV)/.test model
	$(PY) tests/spec.py
	-$(PY) tests/browser/chromium.py
	-$(MAKE) --no-print-directory $(LITELLM)/.done

model: $(VENV)/.demo
	$(PY) -m nbstream.local

$(VENV)/.demo: pyproject.toml
	$(if $(PYTHON),,$(error no Python from 3.11 on with venv was found: install one, or run make PYTHON=/path/to/python))
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --editable '.[local]' --group demo
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PY) -m pip install --quiet --group test --group lint
	touch $@

# A server that the tests talk to. It pins its own version of the SDK, so it lives alone.
$(LITELLM)/.done: tests/litellm.txt
	$(PYTHON) -m venv --clear $(LITELLM)
	$(LITELLM)/bin/python -m pip install --quiet uv
	$(LITELLM)/bin/uv pip install --quiet --compile-bytecode \
	  --python $(LITELLM)/bin/python --requirement $<
	touch $@

# Consoles, and what runs notebooks as a whole: too much for the environment of all tests.
$(FRONTENDS)/.done: pyproject.toml
	$(PYTHON) -m venv --clear $(FRONTENDS)
	$(FRONTENDS)/bin/python -m pip install --quiet uv
	$(FRONTENDS)/bin/uv pip install --quiet --python $(FRONTENDS)/bin/python \
	  --editable . --group frontends
	touch $@

# Tools that make books of notebooks. They pin an older markdown-it-py, so they live alone.
book-tools: $(BOOK)/.done  ## what the tests of books need
$(BOOK)/.done:
	$(PYTHON) -m venv --clear $(BOOK)
	$(BOOK)/bin/python -m pip install --quiet myst-nb 'jupyter-book<2'
	touch $@

$(VENV)-lowest/.test: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet uv
	$(VENV)-lowest/bin/uv pip install --python $(VENV)-lowest/bin/python \
	  --resolution lowest-direct --editable '.[local]' --group test
	touch $@

clean:  ## remove the environments and what tests leave behind
	rm -rf $(VENV) $(VENV)-lowest $(LITELLM) $(FRONTENDS) $(BOOK) .mypy_cache .ruff_cache .hypothesis dist tests/browser/screenshots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
