# Each target works from a bare clone: the environment is made on first use and reused afterwards.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo test full artifacts check-android check-ios check-arm64 clean help

help:  ## this list
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.runtime: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "error: $$($(PYTHON) --version) found, Python 3.11 needed: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing what the main job needs (a few minutes the first time) ..."
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing what the tests need ..."
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.runtime  ## export MiniVLM to ExecuTorch, prove it, measure it beside the paper's baselines
	$(RUN) export/to_executorch.py --model minivlm
	$(RUN) bench/run.py --device cpu --threads 4 --profile quick --models tee-0,grid-r50,r101-f,bert-base,minilm
	@echo "made:"; ls -lh artifacts/*.pte results/records.jsonl results/report.html | awk '{print "  " $$9, $$5}'

test: $(VENV)/.dev  ## the default tests, lint and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pytest -n 2 --dist loadfile

full: $(VENV)/.dev  ## the tests at real model sizes
	$(RUN) -m pytest -m full

artifacts: $(VENV)/.dev  ## tee-0, minilm and minivlm in four formats, fp32 and int8, each with its proof
	$(RUN) export/everything.py --models tee-0,minilm,minivlm --precision fp32,int8

check-android: $(VENV)/.dev  ## the Android app as far as this machine can: style, unit tests, types, resources
	sh android_demo/check.sh
	$(RUN) -m pytest tests/android_demo tests/test_phone_fixtures.py tests/bench/devices/test_android.py

check-ios: $(VENV)/.dev  ## the iOS app likewise
	sh ios_demo/check.sh
	$(RUN) -m pytest tests/ios_demo tests/test_phone_fixtures.py tests/bench/devices/test_ios.py

check-arm64: $(VENV)/.dev  ## artifacts on ARM kernels, emulated (exports what is missing)
	$(RUN) bench/arm64.py

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) artifacts results
