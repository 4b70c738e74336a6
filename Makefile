# Everything runs in a virtual environment of its own; Python 3.11 or newer and make are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo serve test race takeover check clients-check openapi format lock install clean
.PHONY: page page-test screenshots page-logs

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

page: install ## build the page, if its sources changed; Node comes from PATH or from a wheel
	$(BIN)/python page/build.py

demo: page ## one battle in the terminal, against simulated models, and the page beside it
	$(BIN)/arena demo

serve: page ## the service, as the environment and .env say
	$(BIN)/arena serve

test: page ## all tests, on both cores; of the page's what fits into 45 s
	$(BIN)/python -m tests.page.chromium
	$(BIN)/python page/build.py tools
	$(BIN)/python -m pytest -n 2 --dist loadfile

page-test: page ## all tests of the page, in a real browser
	$(BIN)/python -m tests.page.chromium
	$(BIN)/python page/build.py tools
	$(BIN)/python -m pytest tests/page -m ""

screenshots: page ## draw every view anew for docs/screenshots
	$(BIN)/python -m tests.page.chromium
	$(BIN)/python -m tests.page.screenshots

page-logs: install ## write the event logs anew that both folds are tested with
	$(BIN)/python -m tests.page.logs

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
	$(BIN)/python page/build.py run api

lock: install ## pin every dependency with its hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url --quiet -o requirements.lock

clean:
	rm -rf $(VENV) page/node_modules app/web/page/built .pytest_cache .mypy_cache .ruff_cache .hypothesis
