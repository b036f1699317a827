# The verbs of the project; `make help` lists them. ARGS adds arguments to the command behind one:
#   make run ARGS="--set train.epochs=3"      make test ARGS="tests/unit -k clahe"

# Version managers leave commands in the path that only fail, so each candidate is tried out.
ifeq ($(origin PYTHON), undefined)
PYTHON := $(shell for python in python3.11 python3.10 python3.12 python3.13 python3; do \
	if "$$python" -c '' >/dev/null 2>&1; then echo "$$python"; break; fi; done)
endif
PYTHON_VERSION := $(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
PYTHON_VERSIONS := 3.10 3.11 3.12 3.13

UV_VERSION := 0.13.9
VENV := .venv
LOCK := requirements/lock-$(PYTHON_VERSION).txt
PRISM_VERSION := 2.77.0
# Stamps: the environment with its installer, and all that was installed into it.
INSTALLER := $(VENV)/.uv-$(UV_VERSION)-python-$(PYTHON_VERSION)
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run report tensorboard test fuzz mutants lint lock names prism newer clean

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## set up .venv with the locked versions and this project; once

run: install ## run the demo pipeline on synthetic radiographs; writes to work/
	$(VENV)/bin/python local_runner.py --preset demo $(ARGS)

report: install ## write the index of all runs of work/, and open it
	$(VENV)/bin/python -m pipeline.report index $(ARGS)

tensorboard: install ## show trainings and test films of work/ in TensorBoard, until Ctrl-C
	$(VENV)/bin/tensorboard --logdir work/artifacts $(ARGS)

test: install ## run every test, in two processes; ARGS="-n 0" for one
	$(VENV)/bin/python -m pytest -n 2 --no-loadscope-reorder $(ARGS)

fuzz: install ## feed damaged films and tables to the readers for some ten minutes
	$(VENV)/bin/python -m pytest tests/fuzz --hypothesis-profile=long --hypothesis-show-statistics $(ARGS)

mutants: install ## change the modules that guard, place by place, and see which changes no test notices
	$(VENV)/bin/python -m tools.mutants $(ARGS)

lint: install ## check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lock: $(PYTHON_VERSIONS:%=lock-%) ## write requirements/ anew from setup.py; ARGS=--upgrade for newer versions

names: install ## look up, in the wheels of every lock, the names of TFX and its family in use
	$(VENV)/bin/python -m tools.library_names

# Of its own version: Prism of 2.61, Beam's with Python 3.11, lacks coders by which TFT and TFMA group.
prism: ## build Prism, Beam's portable runner, by Go; tests of engines find it
	go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$(PRISM_VERSION)

newer: ## run the demo and every test in a Debian 13 with Python 3.13; on Debian, as root
	tools/newer_lane.sh $(ARGS)

clean: ## remove .venv and caches; work/ stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLER):
	@case " $(PYTHON_VERSIONS) " in *" $(PYTHON_VERSION) "*) ;; *) \
		echo "Python 3.10 to 3.13 is needed, and none was found$(if $(PYTHON), as $(PYTHON));" \
			"name one, as in: make install PYTHON=/usr/bin/python3.11" >&2; exit 1;; esac
	@echo "Making $(VENV) with $(PYTHON) ($(PYTHON_VERSION))"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(INSTALLED): $(INSTALLER) $(LOCK) setup.py pyproject.toml
	@echo "Installing the versions in $(LOCK): one to five minutes, by the network"
	@$(VENV)/bin/uv pip sync --quiet --compile-bytecode --python $(VENV)/bin/python $(LOCK)
	@echo "Installing this project"
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Ready: make run, make test"

# TFX 1.16 is built for glibc 2.17 or later, TFX 1.21 for 2.39 or later.
lock-3.10 lock-3.11: PLATFORM := x86_64-manylinux_2_28
lock-3.12 lock-3.13: PLATFORM := x86_64-manylinux_2_39
.PHONY: $(PYTHON_VERSIONS:%=lock-%)
$(PYTHON_VERSIONS:%=lock-%): lock-%: $(INSTALLER)
	$(VENV)/bin/uv pip compile setup.py --extra dev --extra kubeflow --extra pretrained --quiet \
		--python-version $* --python-platform $(PLATFORM) --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" $(ARGS) --output-file requirements/lock-$*.txt
