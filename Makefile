.DEFAULT_GOAL := help
VENV := .venv
PYTHON ?= python3

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	PCAPDIAG_PURE=1 $(VENV)/bin/pip install -q -e '.[test,lint]'

.PHONY: dev
dev: $(VENV)/bin/python  ## a virtual environment that runs the source tree

.PHONY: build
build: dev  ## compile the packet path in place; what did not change is kept
	$(VENV)/bin/pip install -q 'setuptools>=77' 'Cython>=3.2'
	PCAPDIAG_PURE=0 $(VENV)/bin/python setup.py -q build_ext --inplace

.PHONY: unbuild
unbuild:  ## go back to the interpreted packet path
	find pcapdiag -name '*.so' -delete
	rm -rf build

.PHONY: test
test: dev  ## the tests, on the source tree as it is
	$(VENV)/bin/pytest

.PHONY: lint
lint: dev  ## ruff, mypy, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: check
check:  ## all that CI runs, in clean copies
	.ci/run

.PHONY: readme
readme: dev  ## write the README's example, and what PYTHON.md and TABLES.md show, again from the program's output
	$(VENV)/bin/python scripts/update_readme.py
	$(VENV)/bin/python scripts/update_python_page.py
	$(VENV)/bin/python scripts/make_table_pages.py

.PHONY: bench
bench: build  ## measure against capinfos, tcptrace, tshark and dpkt; CAPTURE=FILE, or one is made (root)
	$(VENV)/bin/python scripts/bench.py $(if $(CAPTURE),--capture $(CAPTURE))
