# Needs make and Python 3.11, 3.12 or 3.13; everything else comes into .venv from requirements.lock.
PYTHON ?= python3
STUDY ?= data/studies/virtual.yml
WORKERS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: book course test test-quick lint lock clean

book: $(READY)
	$(BIN)/radbook run $(STUDY) $(if $(WORKERS),--workers $(WORKERS))

# A participant's laptop: the quick study, its exercises as notebooks, and a check that they run here.
course: $(READY)
	$(BIN)/radbook run data/studies/quick.yml --no-preview $(if $(WORKERS),--workers $(WORKERS))
	$(BIN)/radbook course runs/quick

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

# For work in progress: every room, but no whole run and no browser.
test-quick: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(READY)
	$(BIN)/ruff check src tests notebooks benchmarks
	$(BIN)/ruff format --check src tests benchmarks notebooks
	$(BIN)/nbstripout --verify notebooks/*.ipynb
	$(BIN)/codespell
	$(BIN)/lint-imports --no-cache

# Says in one sentence what the machine lacks, before anything is installed.
define MACHINE
import importlib.util, pathlib, shutil, sys, sysconfig
version = sys.version.split()[0]
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(f"radbook needs Python 3.11, 3.12 or 3.13; this is {version}. Try: make PYTHON=python3.12")
header = pathlib.Path(sysconfig.get_path("include"), "Python.h")
needs = {
    "the module venv (Debian: python3-venv)": importlib.util.find_spec("ensurepip"),
    "a C compiler (Debian: gcc)": shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"),
    "Python's header files (Debian: python3-dev)": header.is_file(),
}
if missing := [name for name, there in needs.items() if not there]:
    sys.exit(f"radbook lacks {', and '.join(missing)}: install it as the README says, and run make again.")
endef
export MACHINE

# --no-deps: the lock is complete, and leaves out the GPU library that xgboost would pull in.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11, 3.12 or 3.13 as the README says."; exit 1; }
	@$(PYTHON) -c "$$MACHINE"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --no-emit-package nvidia-nccl-cu12 --no-emit-package nvidia-nccl-cu13 --no-annotate \
	  --extra dev pyproject.toml -o requirements.lock

# Runs stay: they hold the private folder with the key of the pseudonyms and the frozen model.
clean:
	rm -rf $(VENV)
