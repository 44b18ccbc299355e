# Every target works on a fresh clone with Python 3.11 or newer and a package index. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Containers often set it. Every process of the tests would then compile the product and the tests anew.
unexport PYTHONDONTWRITEBYTECODE
ARGS ?=
ONLY ?=
JOBS ?= 2
CHAOS_SECONDS ?= 300

##@ Start here
.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nARGS="..." is passed on, e.g. make demo ARGS="--cameras 4 --exit"\n'

.PHONY: demo
demo: $(STAMP) ## See it work: servers, synthetic cameras, detector, clips
	$(BIN)/platereel demo $(ARGS)

.PHONY: up
up: $(STAMP) ## Run the deployment of ./platereel.yaml (platereel init writes one)
	$(BIN)/platereel up $(ARGS)

##@ Develop
.PHONY: setup
setup: $(STAMP) ## Create the environment in .venv (uv where there is one, else venv and pip)

# uv installs in seconds what pip needs a minute for; where neither PATH nor the index has it, pip does. It compiles what it
# installs, as pip does: where PYTHONDONTWRITEBYTECODE is set, every process would do it for itself.
$(STAMP): requirements/dev.txt pyproject.toml
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	@uv="$$(command -v uv || true)"; \
	if [ -z "$$uv" ]; then \
	  $(BIN)/python -m pip install -q --disable-pip-version-check uv >/dev/null 2>&1 && uv=$(BIN)/uv || true; \
	fi; \
	if [ -n "$$uv" ]; then \
	  echo "installing with uv" && \
	  "$$uv" pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt && \
	  "$$uv" pip install -q --python $(BIN)/python --no-deps -e .; \
	else \
	  echo "installing with pip" && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $@

.PHONY: fmt
fmt: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: check
check: $(STAMP) ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: lock
# The image's lock is the runtime's and the extra mqtt's, but for OpenCV without windows in the same version. The backend that builds our own
# wheel is locked too: it runs while the image is made.
lock: ## Renew requirements/*.txt from pyproject.toml (needs uv)
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev --extra embedded --extra mqtt -o requirements/dev.txt
	sed -n 's/^opencv-python==\([^ ]*\).*/opencv-python-headless==\1/p' requirements/runtime.txt > requirements/image.in
	$(COMPILE) pyproject.toml requirements/image.in --extra mqtt --override requirements/image-without.in -c requirements/runtime.txt -o requirements/image.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | $(COMPILE) - -o requirements/build.txt

##@ Test
.PHONY: test
# Most tests wait for servers half of their time, so there is one more of them at once than cores.
# What waits for cameras in real time comes last, and not beside what takes all the processor it can get.
# The second half runs whatever the first one said, and both must have passed.
test: $(STAMP) ## All tests, on real servers that start as child processes
ifeq ($(strip $(ARGS)),)
	@first=0; second=0; \
	$(BIN)/pytest -n $$(($(JOBS) + 1)) --dist loadscope -m "not real_time" || first=$$?; \
	$(BIN)/pytest -n $(JOBS) --dist loadscope -m real_time || second=$$?; \
	[ $$first -eq 0 ] && [ $$second -eq 0 ]
else
	$(BIN)/pytest -n $(JOBS) --dist loadscope $(ARGS)
endif

.PHONY: unit
unit: $(STAMP) ## Unit and property tests alone, with a quarter of the examples: seconds, no servers
	$(BIN)/pytest -n $(JOBS) -p no:schemathesis --hypothesis-profile quick tests/unit tests/property $(ARGS)

.PHONY: e2e
e2e: $(STAMP) ## Whole-system tests: every MP4 is decoded, frame by frame
	$(BIN)/pytest tests/e2e $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Measure against peers, the ffmpeg command among them: all of docs/performance.md, or ONLY="writer ready"
	$(BIN)/python -m benchmarks $(ONLY) $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## Inject every fault of docs/reliability.md and print the table (CHAOS_SECONDS= of the random mix, CHAOS_SEED=)
	CHAOS=full CHAOS_SECONDS=$(CHAOS_SECONDS) $(BIN)/pytest tests/chaos tests/benchmarks $(ARGS)
