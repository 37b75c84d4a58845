# `make run` starts Ritornello, `make test` checks everything; both first make .venv and install what they need into it.
# TORCH_INDEX=<a package index> takes torch from there, such as the index of the builds without CUDA.

PYTHON ?= python3
TORCH_INDEX ?=
BENCHES ?= drums folk shakespeare engine exact training path service
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
TORCH := $(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
KERNEL := $(wildcard core/native/*.h core/native/*.hpp core/native/*.cpp core/native/build.py)

.DEFAULT_GOAL := help
.PHONY: help run test lint bench docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: .venv/installed ## start the server, a worker and the web page (PORT, HOST, DATA_DIR, REDIS_URL)
	@exec $(BIN)/ritornello up

test: lint ## lint, then every test; says at the end what was skipped, and why
	@$(BIN)/python -m pytest -rs

lint: .venv/installed-dev ## ruff, mypy and the import arrows
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/installed-dev ## measure the published figures (BENCHES="drums path" DATA=folder QUICK=1)
	@for name in $(BENCHES); do \
	  $(BIN)/python -m bench.$$name $(if $(DATA),--data $(DATA)) $(if $(QUICK),--quick) || exit 1; \
	done

docs: .venv/installed ## write docs/models.md from the model cards, and .env.example from the settings
	@$(BIN)/python -m cli.model_page > docs/models.md.new && mv docs/models.md.new docs/models.md
	@$(BIN)/python -m cli.environment > .env.example.new && mv .env.example.new .env.example

# pip is the last thing that venv puts into .venv, so a half-made one is made again.
.venv/bin/pip:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; then \
	    $$python -m venv --clear .venv && exit 0; \
	    rm -rf .venv; \
	    echo "$$python could not make .venv; on Debian and Ubuntu this needs: apt install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	done; \
	echo "Ritornello needs Python 3.11 or newer, and found $$($(PYTHON) --version 2>&1); install one, or name it: make PYTHON=..." >&2; \
	exit 1

# Where the kernel cannot be built, torch decodes; it comes alone, so that what else is installed cannot make it another build.
.venv/installed: .venv/bin/pip pyproject.toml $(KERNEL)
	@echo "Installing Ritornello and what it needs into .venv, and compiling its kernel"
	@$(BIN)/python -m core.native.build & kernel=$$!; \
	$(PIP) --quiet --no-compile --editable . && { wait $$kernel || { \
	  echo "Without a C++ compiler torch decodes, more slowly; installing it, which takes a while"; $(TORCH); }; }
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "Installing what training and the tests need into .venv"
	@$(TORCH)
	@$(PIP) --quiet --no-compile --editable '.[train,dev]'
	@$(BIN)/python -m core.native.build --all
	@touch $@
