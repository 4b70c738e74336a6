# Everything runs in a virtual environment of its own; Python 3.11 or newer and make are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo serve test race takeover check clients-check openapi format lock install clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: install ## one battle in the terminal, against simulated models
	$(BIN)/arena demo

serve: install ## the service, as the environment and .env say
	$(BIN)/arena serve

test: install ## all tests, on both cores
	$(BIN)/python -m pytest -n 2 --dist loadfile

race: install ## 10,000 votes on each database while workers are killed and Redis is emptied, then the books are compared
	$(BIN)/python -m tests.race.command --votes 10000 --database sqlite
	$(BIN)/python -m tests.race.command --votes 10000 --database postgresql

takeover: install ## the drivers of hosts are killed twenty times, and all instances restarted under load
	$(BIN)/python -m tests.whole.takeover --kills 20
	$(BIN)/python -m tests.whole.rolling --battles 20
	$(BIN)/python -m tests.whole.rolling --battles 20 --kill

check: install ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clients-check: install ## clients made from docs/openapi.json compile without warnings
	$(BIN)/python clients/check.py

openapi: install ## write docs/openapi.json anew, after a change of what the API takes or answers
	$(BIN)/python -m app.web.openapi > docs/openapi.json

lock: install ## pin every dependency with its hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url --quiet -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
