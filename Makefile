# `make` alone says what there is. ARGS is handed on: make test ARGS='-k parity -x'

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where an engine answers, containers run from this image.
BASE_IMAGE ?= step-base:local
# That one with the training toolkit, in which tests run training jobs of the SDK.
TOOLKIT_IMAGE := step-toolkit:local
STEP_IMAGE ?= dummy-training:local
ARGS ?=
# The oldest and the newest Python, as far as they are at hand, in which some tests run as well.
OTHER_PYTHONS ?= $(foreach one,3.10 3.13,$(firstword $(wildcard /usr/bin/python$(one) \
  /usr/local/bin/python$(one) $(HOME)/.pyenv/versions/$(one).*/bin/python$(one))))
# Those that are run as jobs of local mode: 24 of them.
SDK_CASES := code_models=absent and model_beside=absent and code_hyperparams=absent \
  and hyperparameters_beside=absent and (embedded=none or embedded=root) \
  and (job=processing or model_channel=present and not hyperparameters_channel=empty) \
  or circumstance=own-mounts or circumstance=lang-c
# uv, where it is at hand, installs in seconds what takes pip a minute.
UV ?= $(shell command -v uv)
new_environment = $(if $(UV),$(UV) venv --quiet --clear --seed --python $(PYTHON),$(PYTHON) -m venv)
install_into = $(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/pip install --quiet --disable-pip-version-check $(2))

.DEFAULT_GOAL := help
.PHONY: help setup sdks check check-sdk check-sdk-all check-container test smoke check-pythons bench fuzz lint image clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/ready ## Make .venv with the harness command in it

$(VENV)/ready: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: there is no $(PYTHON); install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "setup: $(PYTHON) is $$($(PYTHON) --version), which is too old; name Python 3.10 or newer: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "setup: $(PYTHON) cannot make virtual environments; install its venv package (Debian: apt-get install python3-venv)"; exit 2; }
	$(new_environment) $(VENV)
	$(call install_into,$(VENV)) --editable '.[dev]'
	@touch $@

sdks: .venv-sdk2/ready .venv-sdk3/ready ## Make the environments of the SageMaker SDKs 2 and 3, which tests use

# The two versions cannot share an environment. Python compiles the few modules that are used.
.venv-sdk2/ready: tests/sdk/requirements-v2.txt
	$(new_environment) .venv-sdk2
	$(call install_into,.venv-sdk2,--no-compile) --requirement $<
	@touch $@

.venv-sdk3/ready: tests/sdk/requirements-v3.txt tests/sdk/requirements-v3-parts.txt
	$(new_environment) .venv-sdk3
	$(call install_into,.venv-sdk3,--no-compile) --requirement $<
	$(call install_into,.venv-sdk3,--no-compile) --no-deps --requirement tests/sdk/requirements-v3-parts.txt
	@touch $@

check: setup ## Prove dummy_training in a fake file system (no Docker)
	$(BIN)/harness check --exhaustive $(ARGS)

check-sdk: setup sdks base-image ## Some of them as jobs of the SageMaker SDK's local mode
	HARNESS_SDK_PYTHON=.venv-sdk2/bin/python $(BIN)/harness check --runner local-mode --image $(BASE_IMAGE) -k '$(SDK_CASES)' $(ARGS)

check-sdk-all: setup sdks base-image ## All that a job can express, as a job; for the night
	HARNESS_SDK_PYTHON=.venv-sdk2/bin/python $(BIN)/harness check --runner local-mode --image $(BASE_IMAGE) $(ARGS)

check-container: setup base-image ## The same cases in real containers
	$(BIN)/harness check --runner container --image $(BASE_IMAGE) $(ARGS)

test: setup ## Run every test; those in containers where a Docker engine answers
	@if docker info >/dev/null 2>&1; then docker/base-image $(BASE_IMAGE); fi
	HARNESS_IMAGE=$(BASE_IMAGE) $(BIN)/pytest --numprocesses auto --dist worksteal --durations 15 $(ARGS)

check-pythons: ## Run the tests of the fake runner in other Pythons: OTHER_PYTHONS=/path/to/python3.12
	@for python in $(OTHER_PYTHONS); do \
	  $$python --version && $(MAKE) --no-print-directory setup PYTHON=$$python VENV=.venv-$$(basename $$python) && \
	  .venv-$$(basename $$python)/bin/pytest --numprocesses 2 -p no:cacheprovider tests/unit/test_operations.py tests/unit/test_fake_runner.py || exit; \
	done
	@test -n "$(strip $(OTHER_PYTHONS))" || echo "no other Python is here; name some: make check-pythons OTHER_PYTHONS=/path/to/python3.12"

smoke: setup image ## Run the built image under compose
	HARNESS_IMAGE=$(BASE_IMAGE) HARNESS_REQUIRE_DOCKER=1 $(BIN)/pytest tests/smoke $(ARGS)

bench: setup ## Measure the step and the harness beside what they replace
	@HARNESS_IMAGE=$(BASE_IMAGE) HARNESS_SDK_PYTHON=$(wildcard .venv-sdk2/bin/python) $(BIN)/python -m tests.bench $(ARGS)

fuzz: setup ## Give the step archives made by chance: make fuzz ARGS='--seconds 600'
	@$(BIN)/python -m tests.fuzz $(ARGS)

lint: setup ## Check style, types, and which rooms import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: base-image
base-image:
	@docker info >/dev/null 2>&1 || { echo "no Docker engine answers; start one (sudo systemctl start docker, or sudo dockerd), or point DOCKER_HOST at one"; exit 3; }
	@docker/base-image $(BASE_IMAGE)

.PHONY: toolkit-image
toolkit-image: setup base-image
	@docker/toolkit-image $(TOOLKIT_IMAGE) $(BASE_IMAGE) $(BIN)/pip

image: base-image ## Build the step's image
	DOCKER_BUILDKIT=0 docker build --quiet --build-arg BASE_IMAGE=$(BASE_IMAGE) --tag $(STEP_IMAGE) --file docker/Dockerfile dummy_training

clean: ## Remove what the other targets have made
	rm -rf $(VENV) .venv-* .cache .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
