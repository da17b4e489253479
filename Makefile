# Frontrow on one machine. `make up` on a fresh machine needs Python 3.11+ and nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.8
UV := .tools/bin/uv
BIN := .venv/bin
STAMP := .venv/.synced
TEST_SECONDS := 1200
SOAK_ROUNDS ?= 5
SOAKED := tests/faults tests/integration/three_regions tests/acceptance/test_last_seat.py \
  tests/integration/write_api/test_storms.py tests/integration/write_api/test_batches.py \
  tests/integration/write_api/test_sequential_sale.py tests/integration/write_api/test_expiry.py \
  tests/integration/write_api/test_waitlist_order.py

.PHONY: help up down status demo test test-fast soak bench lint clean supported test-of-platform test-of-rest

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: supported $(STAMP) ## Start three regions (REGIONS=eu: one), and bring back what was killed
	@$(BIN)/frontrow up

down: $(STAMP) ## Stop the platform; its state stays
	@$(BIN)/frontrow down

status: $(STAMP) ## Show what runs, and how fresh it is
	@$(BIN)/frontrow status

demo: $(STAMP) ## Load demo events
	@$(BIN)/frontrow demo

test: supported $(STAMP) ## Run every test (at most 20 minutes; needs no running platform, minds none)
	@$(MAKE) --no-print-directory --jobs=2 test-of-platform test-of-rest

# Side by side: who waits for a platform leaves the processor to the others.
test-of-platform test-of-rest: test-of-%: supported $(STAMP)
	@timeout --signal=INT --kill-after=60 $(TEST_SECONDS) $(BIN)/pytest -q --durations=15 --half=$* tests

test-fast: supported $(STAMP) ## Run the unit tests (under a minute)
	@timeout --signal=INT --kill-after=10 60 $(BIN)/pytest -q tests/unit

soak: supported $(STAMP) ## Run the fault tests SOAK_ROUNDS times (default 5), until one fails
	@for round in $$(seq $(SOAK_ROUNDS)); do \
	  echo "Round $$round of $(SOAK_ROUNDS)"; \
	  SOAK=1 $(BIN)/pytest -q --timeout=3600 $(SOAKED) || exit 1; \
	done

bench: supported $(STAMP) ## Measure; prints figures and ratios
	@$(BIN)/python -m benchmarks

lint: $(STAMP) ## Check style, types and imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean: $(STAMP) ## Stop the platform and forget its state (every event, account and booking)
	@$(BIN)/frontrow forget --yes

# Says in the first second if this machine cannot run the platform.
supported:
	@$(PYTHON) regions/local/supported.py

# The environment of the lock file; quick when neither it nor the project's description has changed.
# Compiled at once (4 s): otherwise the dozen processes of the first start each compile the same.
.venv: $(STAMP)

$(STAMP): pyproject.toml uv.lock | $(UV)
	@echo "Making the Python environment (about 330 MB to download the first time)"
	@$(UV) sync --locked --quiet --compile-bytecode --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

$(UV): Makefile
	@$(PYTHON) regions/local/supported.py
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
