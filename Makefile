# Tallystick's everyday commands. `make help` lists them.
# Works with GNU make 3.81 and later, as root or not, in a folder whose path has spaces.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.SUFFIXES:

# Extra words for the command that a target runs: make test ARGS="-k refresh"
ARGS ?=
# The Python that makes .venv: the newest of these that really runs (a shim may not) and can make one.
PYTHON ?=
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3

# How much `make fuzz` sends, and from which seed; what is left empty has its default in tests/fuzz/plan.py.
REQUESTS ?=
EXAMPLES ?=
SEED ?=

BIN := .venv/bin
RUNTIME := .venv/.installed
DEV := .venv/.installed-dev
PIP := $(BIN)/python -m pip

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PIP_NO_INPUT := 1
export PIP_USER := 0

# A .venv that was moved, or whose Python is gone, is made again.
STALE := $(shell [ ! -e .venv ] || { "$(BIN)/python" -c "" && [ "$$(cat .venv/.folder)" = "$$(pwd -P)" ]; } 2>/dev/null || echo stale)

.PHONY: help install install-dev up test soak interop gateways observability fuzz browsers lint fmt bench bench-anomalies bench-detection bench-flood bench-guard bench-large bench-memory bench-peers bench-peers-install bench-projection bench-relay bench-verify bench-workers contracts lock clean stale

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@printf '\n  Options: ARGS="…" for the command that a target runs; PYTHON=… for the interpreter of a new .venv.\n'

install: $(RUNTIME) ## create .venv from the hashed lock, with the tallystick command in it
	@echo 'install: ready, $(BIN)/tallystick'

install-dev: $(DEV) ## the same, with the tools for tests and lint
	@echo 'install: ready, $(BIN)/tallystick and the tools'

up: $(RUNTIME) ## install, then run the whole product with the example access.yaml
	@exec $(BIN)/tallystick up --access examples/access.yaml $(ARGS)

test: $(DEV) ## everything that proves the product within ten minutes
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

soak: $(DEV) ## the long tests: load with kill -9 in the middle of it
	@$(BIN)/python -m pytest -m soak tests/soak $(ARGS)

fuzz: $(DEV) ## a hundred thousand requests that are almost right (REQUESTS=… EXAMPLES=… SEED=…)
	@FUZZ_REQUESTS="$(REQUESTS)" FUZZ_EXAMPLES="$(EXAMPLES)" FUZZ_SEED="$(SEED)" \
		$(BIN)/python -m pytest -m fuzz --capture=no tests/fuzz $(ARGS)

browsers: $(DEV) ## the pages in a real Chromium (needs one: apt-get install chromium, or TALLYSTICK_CHROMIUM=…)
	@$(BIN)/python -m pytest -m browsers tests/browsers $(ARGS)

interop: $(DEV) ## other people's clients and verifiers (needs Node.js 20 or newer; uses nginx, Go and Maven)
	@command -v npm > /dev/null || { echo 'interop: npm was not found; install Node.js 20 or newer' >&2; exit 1; }
	@tests/interop/build.sh
	@$(BIN)/python -m pytest -m interop tests/interop $(ARGS)

observability: $(DEV) ## alert rules and dashboards by a real Prometheus (needs one: apt-get install prometheus)
	@for program in prometheus promtool; do \
		command -v $$program > /dev/null || { echo "observability: $$program was not found; apt-get install prometheus" >&2; exit 1; }; \
	done
	@$(BIN)/python -m pytest -m observability tests/observability $(ARGS)

gateways: $(DEV) ## gateways in front of an API (needs nginx and HAProxy: apt-get install nginx-light haproxy)
	@PATH="$$PATH:/usr/sbin"; for program in nginx haproxy; do \
		command -v $$program > /dev/null || { echo "gateways: $$program was not found; apt-get install nginx-light haproxy" >&2; exit 1; }; \
	done
	@$(PIP) install --quiet --no-deps --require-hashes --only-binary :all: -r tests/gateways/requirements.lock
	@$(BIN)/python -m pytest -m gateways tests/gateways $(ARGS)

lint: $(DEV) ## ruff, mypy strict, import-linter
	@failed=; run() { echo "lint: $$*"; "$(BIN)/$$@" || failed=1; }; \
	run ruff check --quiet --output-format=concise .; \
	run ruff format --quiet --check --output-format=concise .; \
	run mypy; \
	run lint-imports --no-logo; \
	test -z "$$failed"

fmt: $(DEV) ## format, and fix what ruff can fix
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

bench: $(DEV) ## run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

bench-anomalies: $(DEV) ## how many events a second the anomaly engine judges on one core
	@$(BIN)/python -m benchmarks.anomalies $(ARGS)

bench-detection: $(DEV) ## the anomaly rules on simulated weeks with attacks (ARGS="--write --baselines" for the docs)
	@$(BIN)/python -m benchmarks.detection $(ARGS)

bench-flood: $(DEV) ## what a good client notices of a flood of bad requests (needs wrk)
	@$(BIN)/python -m benchmarks.flood $(ARGS)

bench-guard: $(DEV) ## what the guard costs a request of an API
	@$(BIN)/python -m benchmarks.guard $(ARGS)

bench-large: $(DEV) ## start-up, rates, rebuild and check with ten million events (ARGS="--events 100000" to try)
	@$(BIN)/python -m benchmarks.large $(ARGS)

bench-memory: $(DEV) ## what a worker takes for a million live grants
	@$(BIN)/python -m benchmarks.memory $(ARGS)

bench-peers: $(DEV) ## other servers alone, for some seconds each (ARGS="NAME …"; needs wrk)
	@$(BIN)/python -m benchmarks.peers $(ARGS)

bench-peers-install: $(DEV) ## fetch them from their package registries (uses Node.js, Go and Maven)
	@$(BIN)/python -m benchmarks.peers --install $(ARGS)

bench-projection: $(DEV) ## how fast the usage figures are folded, live and in a rebuild
	@$(BIN)/python -m benchmarks.projection $(ARGS)

bench-relay: $(DEV) ## how long after its commit an event reaches a subscriber
	@$(BIN)/python -m benchmarks.relay_delay $(ARGS)

bench-verify: $(DEV) ## how many requests of gateways a second are answered on one core
	@$(BIN)/python -m benchmarks.verify $(ARGS)

bench-workers: $(DEV) ## what two workers do beside one (needs wrk)
	@$(BIN)/python -m benchmarks.workers $(ARGS)

contracts: $(DEV) ## write what is made from the code: schema/contracts, docs/events.md, deploy/nats-accounts.conf
	@$(BIN)/python -m tests.contracts

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml $(ARGS)

lock: $(DEV) ## write both locks anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@$(COMPILE) --group build --output-file requirements.lock > /dev/null
	@$(COMPILE) --group dev --constraints requirements.lock --output-file requirements-dev.lock > /dev/null
	@cd tests/interop && ../../$(subst pyproject.toml,requirements.in,$(COMPILE)) --output-file requirements.lock > /dev/null
	@cd tests/gateways && ../../$(subst pyproject.toml,requirements.in,$(COMPILE)) --output-file requirements.lock > /dev/null
	@for peer in benchmarks/peers/*/requirements.in; do \
		(cd "$$(dirname "$$peer")" && ../../../$(subst pyproject.toml,requirements.in,$(COMPILE)) --output-file requirements.lock > /dev/null) || exit 1; \
	done
	@if grep -n '://' requirements.lock requirements-dev.lock tests/*/requirements.lock benchmarks/peers/*/requirements.lock; then echo 'lock: an address is in a lock' >&2; exit 1; fi
	@wc -l requirements.lock requirements-dev.lock

clean: ## remove .venv and all caches (data in .tallystick stays)
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -path ./.tallystick -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements.lock pyproject.toml $(STALE)
	@set -e; $(find_python); \
	if [ -n "$(STALE)" ] || [ ! -e .venv/pyvenv.cfg ]; then \
		echo "install: .venv with $$python ($$("$$python" -c 'import platform; print(platform.python_version())'))"; \
		rm -rf .venv; "$$python" -m venv .venv; pwd -P > .venv/.folder; \
	fi
	@echo "install: $$(grep -c '==' requirements.lock) packages of requirements.lock (the first time takes up to a minute)"
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements.lock
	@echo 'install: tallystick'
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo 'install: tools of requirements-dev.lock'
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable ./guard
	@touch $@

stale:

# Sets $$python, or says what is missing and ends.
define find_python
python=; lacking=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",$(CANDIDATES)); do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	if "$$candidate" -c 'import venv, ensurepip' 2>/dev/null; then python=$$candidate; break; fi; \
	lacking=$${lacking:-$$candidate}; \
done; \
if [ -z "$$python" ] && [ -n "$$lacking" ]; then \
	echo "install: $$lacking cannot make a virtual environment: its module ensurepip is missing." >&2; \
	echo "install: on Debian or Ubuntu, install python3-venv (or $${lacking##*/}-venv), then try again." >&2; exit 1; \
elif [ -z "$$python" ]; then \
	echo 'install: no Python 3.11 or newer that runs was found (looked for: $(if $(PYTHON),$(PYTHON),$(CANDIDATES))).' >&2; \
	echo 'install: install one, or name it: make install PYTHON=/path/to/python3.12' >&2; exit 1; \
fi
endef
