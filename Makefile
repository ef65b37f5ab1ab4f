# Torn's contents page. `make` alone lists what can be done; docs/libraries.md says what gets installed.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

# Debian's packages that the tests drive for real: a broker, a browser, a voice, letters; and what judges the machines'
# files: systemd its units, nginx its site, cloud-init the cards, prometheus the alerts, stunnel an office's line.
TEST_PARTS := mosquitto chromium espeak-ng fonts-dejavu-core systemd nginx cloud-init openssl prometheus stunnel4
# And for the installation on a fresh system.
SOAK_PARTS := debootstrap iproute2

# Tests wait more than they compute: three files of them at a time.
AT_ONCE := -n 3 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help run button test check types format bench soak

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | while IFS='|' read -r target words; do \
		printf '  make %-8s %s\n' "$$target" "$$words"; done

run: $(VENV)/.for-run ## set up, then run hub, broker and bench for the two sample offices
	@exec $(RUN) run

button: $(VENV)/.for-tests ## a desk's button on this laptop, at the broker of `run`; ARGS="--device montroig-desk-2"
	@exec $(RUN) -m tests.firmware.laptop $(ARGS)

test: $(VENV)/.for-tests ## set up all that the tests need, then run every test; ARGS="-k board" narrows
	@sh provisioning/debian.sh $(TEST_PARTS) || true
	$(RUN) -m pytest $(AT_ONCE) $(ARGS)

check: $(VENV)/.for-tests ## format, lint, types, arrows between the chapters; fast
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	@$(MAKE) -s types
	$(RUN) -m pytest -q tests/test_architecture.py

types: $(VENV)/typings/.made ## the firmware's types, against what a Pico W has, and an ESP32
	@TYPINGS=$(VENV)/typings/pico-w $(RUN) -m mypy --cache-dir .mypy_cache/pico-w --config-file firmware/mypy.ini
	@TYPINGS=$(VENV)/typings/esp32 $(RUN) -m mypy --cache-dir .mypy_cache/esp32 --config-file firmware/mypy.ini

format: $(VENV)/.for-tests ## put every file into the house's format
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

bench: $(VENV)/.for-tests ## the benchmarks, each beside what it is measured against
	@sh provisioning/debian.sh $(TEST_PARTS) || true
	$(RUN) -m tests.bench

soak: $(VENV)/.for-tests ## the tests that take minutes: crashes and power cuts, many seeds
	@sh provisioning/debian.sh $(TEST_PARTS) $(SOAK_PARTS) || true
	$(RUN) -m pytest -m soak $(AT_ONCE) $(ARGS)

# What a Pico W's and an ESP32's MicroPython have, for the type checker alone: never imported.
$(VENV)/typings/.made: constraints.txt | $(VENV)/.for-tests
	@for board in pico-w:micropython-rp2-rpi-pico-w-stubs esp32:micropython-esp32-stubs; do \
		$(RUN) -m pip install -qq --disable-pip-version-check -c constraints.txt --no-deps --upgrade \
		--target $(VENV)/typings/$${board%%:*} $${board##*:} micropython-stdlib-stubs || exit 1; done
	@touch $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh provisioning/debian.sh python3-venv
	@$(PYTHON) -m venv $(VENV)

# A stamp is younger than what it was made from, or is made again.
$(VENV)/.for-run: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'Setting up $(VENV): a minute or so'
	@$(RUN) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[hub,devices]'
	@touch $@

$(VENV)/.for-tests: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'Setting up $(VENV): a minute or so'
	@$(RUN) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[hub,devices,provisioning,tests]'
	@touch $@ $(VENV)/.for-run
