# Everything runs in a virtual environment of its own; Python 3.11 or newer and make are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
LOCK_OF = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet
LOCK = $(LOCK_OF) pyproject.toml
TOOLS := $(VENV)/deploy-tools
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Hundreds of processes start in the tests: without their compiled modules each takes a third longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo serve dev test explore race takeover upgrade batch-kills check clients-check openai-clients openapi format lock install clean
.PHONY: bench image deploy-lint deploy-check prod-check silences release dashboard stress-test page page-test screenshots page-logs

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: $(STAMP) ## what the arena needs to run, about 230 MB

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

dev: $(DEV_STAMP) ## what tests and checks need as well

$(DEV_STAMP): $(STAMP) requirements-dev.lock
	$(PIP) install --require-hashes -r requirements-dev.lock
	touch $@

page: install ## build the page, if its sources changed; Node comes from PATH or from a wheel
	$(BIN)/python page/build.py

demo: page ## one battle in the terminal, against simulated models, and the page beside it
	$(BIN)/arena demo

serve: page ## the service, as the environment and .env say
	$(BIN)/arena serve

test: dev page ## all tests, four at a time, for many wait; of the page's what fits into 45 s
	$(BIN)/python -m tests.page.chromium
	$(BIN)/python page/build.py tools
	$(BIN)/python -m pytest -n 4 --dist loadfile

page-test: dev page ## all tests of the page, in a real browser
	$(BIN)/python -m tests.page.chromium
	$(BIN)/python page/build.py tools
	$(BIN)/python -m pytest tests/page -m ""

screenshots: dev page ## draw every view anew for docs/screenshots
	$(BIN)/python -m tests.page.chromium
	$(BIN)/python -m tests.page.screenshots

page-logs: dev ## write the event logs anew that both folds are tested with
	$(BIN)/python -m tests.page.logs

stress-test: dev page ## all tests, three times, beside busy processes on all cores
	$(BIN)/python -m tests.page.chromium
	$(BIN)/python page/build.py tools
	$(BIN)/python -m tests.stress --times 3

explore: dev ## property tests with fifty times as many examples, each time other ones; what fails prints how to repeat it
	$(BIN)/python -m pytest -n 4 --dist load -m hypothesis --hypothesis-profile explore --hypothesis-show-statistics

race: dev ## 10,000 votes on each database while workers are killed and Redis is emptied, then the books are compared
	$(BIN)/python -m tests.race.command --votes 10000 --database sqlite
	$(BIN)/python -m tests.race.command --votes 10000 --database postgresql

takeover: dev ## the drivers of hosts are killed twenty times, and all instances restarted under load
	$(BIN)/python -m tests.whole.takeover --kills 20
	$(BIN)/python -m tests.whole.rolling --battles 20
	$(BIN)/python -m tests.whole.rolling --battles 20 --kill

upgrade: dev ## an upgrade without a gap is rehearsed, on SQLite and on PostgreSQL
	$(BIN)/python -m tests.whole.upgrade

batch-kills: dev ## a batch run of 500 jobs is killed twenty times, on SQLite and on PostgreSQL
	$(BIN)/python -m tests.batch.kills --kills 20 --jobs 500

image: ## the container image, built with docker, podman or buildah, whichever works here
	docker/build.sh

$(TOOLS)/.installed: deploy/tools.lock
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r deploy/tools.lock
	touch $@

deploy-lint: dev $(TOOLS)/.installed ## docker/ and deploy/ by the linters of others: all but compose's own, which takes a quarter of an hour to build
	PATH="$(abspath $(TOOLS)/bin):$$PATH" $(BIN)/python -m tests.deploy.check --without-compose

deploy-check: dev $(TOOLS)/.installed ## what can be checked of docker/ and deploy/ without an engine: hadolint, schema, units, alerts, compose
	PATH="$(abspath $(TOOLS)/bin):$$PATH" $(BIN)/python -m tests.deploy.check

silences: dev page ## arena doctor --url in full, 180 s of silence, through real nginx
	$(BIN)/python -m tests.deploy.silences

prod-check: dev page ## the profile prod with a real nginx, Redis and PostgreSQL: a battle, a vote, an instance killed; IMAGE=name runs that image
	$(BIN)/python -m tests.deploy.prod $(if $(IMAGE),--image $(IMAGE))

dashboard: ## write Grafana's dashboard anew
	$(PYTHON) deploy/grafana/dashboard.py

release: dev ## whether the last commit can be released: the same wheel twice, installed and played with; it is left in dist/
	$(BIN)/python -m tests.deploy.release

check: dev ## style, types and the direction of imports; the page's types and its unit tests
	$(BIN)/python page/build.py test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: dev page ## the arena beside a bare relay, LiteLLM and Olla (it installs them), about half an hour at rest: docs/performance.md
	$(BIN)/python -m benchmarks.bench --json bench.json --plots bench-plots

clients-check: dev ## clients made from docs/openapi.json compile without warnings
	$(BIN)/python clients/check.py

openai-clients: dev ## the official Node client and LangChain against /v1, unchanged; needs npm and PyPI
	$(BIN)/python -m tests.openai_clients

openapi: dev ## write docs/openapi.json anew, after a change of what the API takes or answers
	$(BIN)/python -m app.web.openapi > docs/openapi.json
	$(BIN)/python page/build.py run api

lock: install ## pin every dependency with its hashes
	$(PIP) install --quiet uv
	$(LOCK) --extra build -o requirements.lock
	$(LOCK) --extra build --extra otel -c requirements.lock -o requirements-otel.lock
	$(LOCK) --extra build --extra dev -c requirements.lock -o requirements-dev.lock
	$(LOCK_OF) deploy/tools.in -o deploy/tools.lock

clean:
	rm -rf $(VENV) page/node_modules app/web/page/built .pytest_cache .mypy_cache .ruff_cache .hypothesis
