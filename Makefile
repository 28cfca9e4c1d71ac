# make run   opens the studio; where there is no display, does its main job without one
# make test  lint, types, import walls and every test
# make lock  writes requirements.lock from the virtual environment as it is

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test lint lock screenshots clean

run: $(READY)
	@$(BIN)/python main.py $(ARGS)

test: lint
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# torch comes first: whatever build of the locked version is at hand serves, and nothing later replaces it.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MeG Studio needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m studio.preflight
	@touch $(READY)

screenshots: $(READY)
	$(BIN)/python main.py --screenshots assets/screenshots $(ARGS)

lock:
	$(BIN)/python -m pip freeze --exclude-editable | grep -iv '^\(meg-studio\|setuptools\|wheel\)' | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info
