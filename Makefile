# SPDX-License-Identifier: Apache-2.0
# EdgeDRNN: entry points. `make help` lists them.
SHELL  := /bin/bash
VENV   := .venv
PYTHON ?= python3
PY     := $(VENV)/bin/python
# The text of a variable as one word of the shell, whatever is in it.
quoted  = '$(subst ','\'',$(value $(1)))'
JOBS   ?= $(shell nproc)
WAVES  ?= 0
CUT    ?= full
BUDGET ?= 25m
export WAVES

.DEFAULT_GOAL := help
.PHONY: help setup tools demo timeline test quick regress rtl tool-tests system golden fuzz lint lock registers synth pnr faults mutants \
        localise bench bench-sim train results report page-check clean distclean

help:  ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "  Variables: JOBS=$(JOBS) parallel tests, FSDD=folder of recordings for demo and results, SEED=number, WAVES=1"

setup: $(VENV)/.ready  ## Virtual environment with pinned packages

$(VENV)/.ready: requirements.txt requirements.lock pyproject.toml
	@command -v g++ >/dev/null && command -v make >/dev/null && command -v perl >/dev/null || \
	  { echo "error: g++, make and perl are needed to build simulations; on Debian: apt-get install g++ make perl" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1), expected Python 3.11 or newer" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# Only Icarus is required: espeak-ng speaks training data, the headers let Verilator write FST.
tools: setup  ## Icarus Verilog too, and what is optional (apt-get when root)
	@missing=; \
	command -v iverilog >/dev/null || missing="iverilog"; \
	command -v espeak-ng >/dev/null || missing="$$missing espeak-ng"; \
	g++ -E -x c++ -include lz4.h -include zlib.h /dev/null >/dev/null 2>&1 || missing="$$missing liblz4-dev zlib1g-dev"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing" $$missing "with apt-get"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	elif command -v iverilog >/dev/null; then \
	  echo "note: optional packages are missing; on Debian or Ubuntu: sudo apt-get install" $$missing >&2; \
	else \
	  echo "error: iverilog is missing; on Debian or Ubuntu: sudo apt-get install" $$missing >&2; exit 1; \
	fi

demo: setup  ## Spoken digits through the RTL, checked, with a picture (FSDD=folder: real recordings)
	$(PY) scripts/demo.py $(if $(value FSDD),--fsdd $(call quoted,FSDD))

timeline: setup  ## Why the weight port is idle, in a run of the demo model: a table, a picture, a trace for ui.perfetto.dev
	$(PY) scripts/timeline.py

# Every test prints its seed, which is part of its rerun line.
PYTEST := $(PY) -m pytest -n $(JOBS) --dist worksteal
ifdef SEED
export SEED
endif

# All tests with seed 1, the same stimulus each time, must close all functional coverage.
# With another seed, or a part of the tests, coverage is printed and nothing required.
COVER := build/cover/test
test: tools  ## Everything, on both simulators, with functional coverage; JUnit XML in reports/ (TESTS='files' for some)
	@rm -rf $(COVER)
	COVERAGE=1 COVER_DIR=$(COVER) SEED=$(or $(SEED),1) $(PYTEST) $(TESTS) --junitxml=reports/junit.xml
	$(if $(TESTS),,$(PY) scripts/coverage.py --cover-dir $(COVER) $(if $(filter-out 1,$(SEED)),,--require all))

quick: tools  ## Tests that the change under way can break, in at most a minute on 2 cores (BASE=revision, default main)
	$(PY) scripts/quick.py $(if $(value BASE),--base $(call quoted,BASE)) --jobs $(JOBS)

regress: tools  ## Tests x builds x seeds within a budget (CUT=full BUDGET=25m DASK=tcp://host:port)
	$(PY) scripts/regress.py --cut $(call quoted,CUT) --time $(call quoted,BUDGET) --workers $(JOBS) $(if $(value DASK),--dask $(call quoted,DASK))

golden: setup  ## Tests of the golden model, training, importers and data sets
	$(PYTEST) golden/tests

rtl: tools  ## Tests of RTL modules, one file a module
	$(PYTEST) tb/tests/rtl

fuzz: setup  ## Readers and converters on thousands of made-up files (minutes; make test runs a few)
	$(PY) -m pytest -n $(JOBS) --hypothesis-profile=long -k fuzz golden/tests tb/tests/tools/test_import_fuzz.py

tool-tests: tools  ## Tests of builds, checkers, coverage, debugging, regression, scripts
	$(PYTEST) tb/tests/tools

system: tools  ## The whole core
	$(PYTEST) tb/tests/system

lint: setup  ## Verilator -Wall, generated files fresh, ruff, package layers, types
	$(PY) scripts/lint.py
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-logo --cache-dir build/import_linter
	$(VENV)/bin/mypy

lock: setup  ## Write requirements.lock from what is installed
	@{ echo "# Versions of everything that requirements.txt brings, for a repeatable set-up: make lock writes it."; \
	  $(PY) -m pip freeze --exclude-editable | sed 's/+[a-z0-9.]*$$//'; } > requirements.lock

registers: setup  ## Write the generated files again: registers, constants, edgedrnn.core
	$(PY) scripts/gen_registers.py

synth: setup  ## LUTs, flip-flops, DSPs and block RAM on a Zynq, by module; docs/area.md (a minute)
	$(PY) scripts/synth.py

pnr: setup  ## The clock closed on an ECP5 after place and route, worst paths; docs/timing.md (5 to 10 minutes)
	$(PY) scripts/pnr.py

faults: tools  ## Break the RTL on purpose, once in each place, and expect the named test to fail
	$(PY) scripts/faults.py

mutants: setup  ## Mutation score: 520 small faults in the RTL, one at a time; which do the tests detect?
	$(PY) scripts/mutants.py --jobs $(JOBS)

localise: tools  ## Plant known faults one at a time and expect each to be found: module, step, signal, cycle
	$(PY) scripts/localise.py --faults

bench: setup  ## Cycles a step over the benchmark set, against bounds, port and EdgeDRNN's RTL: docs/bench.md
	$(PY) scripts/bench.py

bench-sim: setup  ## Simulated clock cycles per second: bare C++ loop, our cocotb run, stock cocotb
	@mkdir -p reports
	$(PY) scripts/bench_sim.py --json reports/bench_sim.json

train: setup  ## Train a committed model again (RECIPE=har-2l128h DATA=folder WORKERS=2; the digits need espeak-ng)
	$(PY) -m golden.train --recipe $(call quoted,RECIPE) --data $(call quoted,DATA) $(if $(WORKERS),--workers $(WORKERS)) --out golden/models/$(call quoted,RECIPE).npz

results: setup  ## Measure the trained models from the recordings to the RTL: docs/results.md (FSDD= HAR= SKAB= folders)
	$(PY) scripts/results.py $(if $(value FSDD),--fsdd $(call quoted,FSDD)) $(if $(value HAR),--har $(call quoted,HAR)) $(if $(value SKAB),--skab $(call quoted,SKAB))

report: setup  ## The page of the last regression: reports/index.html (REQUIRE=1: fail unless all goals are met)
	$(PY) scripts/report.py $(if $(REQUIRE),--require $(filter-out 1,$(REQUIRE)))

page-check: setup  ## The page in headless Chromium, laptop and phone (apt-get when root); pictures in reports/page
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing chromium with apt-get"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else \
	    echo "error: chromium is missing; on Debian: sudo apt-get install chromium" >&2; exit 1; \
	  fi; }
	$(PY) scripts/page_check.py --pictures reports/page

clean:  ## Remove builds and reports
	rm -rf build reports

distclean: clean  ## Remove the virtual environment too
	rm -rf $(VENV)
