# Needs Python 3.11 or later and make; everything else goes into .venv, at the versions of constraints.txt.

PYTHON ?= python3
STUDY ?= data/studies/worldwide-saas.toml
OUT ?= out
PYTEST_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(VENV)/.packages
INSTALLED := $(VENV)/.installed

.PHONY: help run test plan lint reference clean

help:
	@echo "make run     open the page on the worldwide study, at http://127.0.0.1:8501"
	@echo "make test    run every test"
	@echo "make plan    plan STUDY ($(STUDY)) into OUT ($(OUT))"
	@echo "make lint    format, style, types and import directions"
	@echo "make reference   write docs/rules-and-costs.md from the code"
	@echo "make clean   remove .venv, caches and OUT"
	@echo "PYTHON=python3.12 make ...   chooses the interpreter (3.11 or later)"

# Streamlit stays headless (otherwise it advertises on the page); where there is a desktop, the browser is opened.
run: $(INSTALLED)
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
	    (sleep 4; $(BIN)/python -m webbrowser -t http://127.0.0.1:8501 >/dev/null 2>&1) & \
	fi; \
	exec $(BIN)/streamlit run app.py

test: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

plan: $(INSTALLED)
	$(BIN)/edgeplan plan $(STUDY) --out $(OUT)

lint: $(PACKAGES)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

reference: $(INSTALLED)
	$(BIN)/python -m planner.reference > docs/rules-and-costs.md

clean:
	rm -rf $(VENV) $(OUT) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The build backend is installed first and used without isolation, so that constraints.txt pins it as well.
$(PACKAGES): pyproject.toml constraints.txt
	@echo "installing into $(VENV): about a minute, once"
	@command -v $(PYTHON) >/dev/null || \
	    { echo "$(PYTHON) was not found; set PYTHON to Python 3.11 or later" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	    sys.exit(v < (3, 11) and "edgeplan needs Python 3.11 or later; $(PYTHON) is %d.%d" % v[:2])'
	@if command -v uv >/dev/null; then set -ex; \
	    uv venv --quiet --clear --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV); \
	    uv pip install --quiet --python $(BIN)/python -c constraints.txt hatchling editables; \
	    uv pip install --quiet --python $(BIN)/python -c constraints.txt --no-build-isolation -e '.[dev]'; \
	else set -ex; \
	    $(PYTHON) -m venv --clear $(VENV); \
	    $(BIN)/python -m pip install --quiet -c constraints.txt hatchling editables; \
	    $(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev]'; \
	fi
	@touch $@

# The solver's kernels are compiled before anybody waits for them. What only reads the code needs none.
$(INSTALLED): $(PACKAGES)
	@$(BIN)/python -m planner.solver.warm
	@touch $@
