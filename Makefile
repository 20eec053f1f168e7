# Each target works from a bare clone: the environment is made on first use and reused afterwards.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo lint format test coverage package docs full artifacts easy-vqa check-android check-ios check-arm64 clean help

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The requirements of one extra alone, for jobs that need nothing of the project's own.
extra = $$($(RUN) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$(1)"])')
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "error: $$($(PYTHON) --version) found, Python 3.11 to 3.13 needed: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: pyproject.toml | $(VENV)/.made
	@echo "installing what the main job needs (a few minutes the first time) ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing what the tests need ..."
	$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/.made
	$(PIP) $(call extra,lint)
	@touch $@

$(VENV)/.docs: pyproject.toml | $(VENV)/.made
	$(PIP) $(call extra,docs)
	@touch $@

demo: $(VENV)/.runtime  ## export MiniVLM to ExecuTorch, verify it, measure it, and let a trained model speak of three scenes
	$(RUN) export/to_executorch.py --model minivlm
	$(RUN) bench/run.py --device cpu --threads 4 --profile quick --models tee-0,grid-r50,r101-f,bert-base,minilm
	$(RUN) -m minivlm show --checkpoint sample --plot results/sample.png
	@echo "made:"; ls -lh artifacts/*.pte results/records.jsonl results/report.html results/sample.png | awk '{print "  " $$9, $$5}'

lint: $(VENV)/.lint  ## style and spelling, without the models' environment
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/codespell

format: $(VENV)/.lint  ## what can be put in order by itself
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

test: lint $(VENV)/.dev  ## the default tests, lint and types
	$(RUN) -m mypy
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

coverage: $(VENV)/.dev  ## which lines the default tests reach, with coverage.xml
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term --cov-report=xml

package: $(VENV)/.lint  ## sdist and wheel, in dist/
	$(RUN) -m build --outdir dist

docs: $(VENV)/.docs  ## the documentation site, in site/
	$(RUN) -m mkdocs build --strict

full: $(VENV)/.dev  ## the tests at real model sizes
	$(RUN) -m pytest -m full

artifacts: $(VENV)/.dev  ## tee-0, minilm and minivlm in four formats, fp32 and int8, each verified
	$(RUN) export/everything.py --models tee-0,minilm,minivlm --precision fp32,int8

SAMPLE ?= minivlm/assets/sample
easy-vqa: $(VENV)/.dev  ## an outside yardstick: SAMPLE=CHECKPOINT learns easy-VQA, and is scored beside the question alone
	$(RUN) bench/easy_vqa.py --start $(SAMPLE)

check-android: $(VENV)/.dev  ## the Android app as far as this machine can: style, unit tests, types, resources
	sh android_demo/check.sh
	$(RUN) -m pytest tests/android_demo tests/test_phone_fixtures.py tests/bench/devices/test_android*.py

check-ios: $(VENV)/.dev  ## the iOS app likewise
	sh ios_demo/check.sh
	$(RUN) -m pytest tests/ios_demo tests/test_phone_fixtures.py tests/bench/devices/test_ios*.py tests/bench/devices/test_apple_devices.py

check-arm64: $(VENV)/.dev  ## artifacts on ARM kernels, emulated (exports what is missing)
	$(RUN) bench/arm64.py

clean:  ## remove the environment and everything that was made, but the hours of work in sample/
	rm -rf $(VENV) artifacts results site build dist coverage.xml

include sample.mk
