# make demo   the whole chain on a held-out picture, with no GPU
# make test   the checks: everything but what takes the whole zoo
# make test-zoo   the rest: every published variant of every model, built; CI runs both
# Each creates its own environment in .venv; PYTHON chooses the interpreter (3.10 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-zoo clean

demo: $(VENV)/demo.done
	$(BIN)/python -m tools.demo

test: $(VENV)/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 -m 'not zoo'

test-zoo: $(VENV)/test.done
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 -m zoo

clean:
	rm -rf $(VENV) demo-output

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.done: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[torch,rtx]'
	touch $@

$(VENV)/test.done: $(VENV)/demo.done
	$(PIP) --editable '.[torch,rtx,train,test,upstream]'
	$(PIP) --no-deps ultralytics yolov5
	touch $@
