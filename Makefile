# make demo   build a verified dataset with a real teacher (installs all it needs)
# make test   every test; make check: lint, types and the fast tests
# make chaos  kill a build two hundred times and compare what it ends with
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := pipeline generators filters flows training tests docs

# No library may phone home, and no test or demo may need the Hub.
export DO_NOT_TRACK := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export VLLM_NO_USAGE_STATS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo check test browser bench chaos clean

help:
	@sed -n 's/^# //p' Makefile
	@echo "also: setup, browser (chromium, for the tests of the report), bench, clean"

setup: $(INSTALLED)

$(INSTALLED): requirements/cpu.txt pyproject.toml
	@echo "installing the pinned packages into $(VENV): some three minutes and 3.4 GB the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --progress-bar off --no-deps -r requirements/cpu.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	$(BIN)/gradatim build configs/demo.yaml

check: setup
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test: check
	$(BIN)/pytest -m slow

browser:
	@for name in "$$GRADATIM_BROWSER" chromium chromium-browser google-chrome google-chrome-stable chrome; do \
	  [ -n "$$name" ] && command -v "$$name" && exit 0; done; \
	apt-get update && apt-get install -y --no-install-recommends chromium

bench: setup
	for script in tests/benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

chaos: setup
	$(BIN)/python -m tests.chaos.campaign --kills 200 --seed 0 --log data/chaos.log

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .prefect
