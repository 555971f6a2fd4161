# make run     the dashboard on the sample ledger, in a browser at the printed address
# make test    every test, the browser's included
# make help    the rest

PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements
CLIENTS := .venv-clients-1/clients.stamp .venv-clients-2/clients.stamp
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP_INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --no-deps --compile
SELF_INSTALL := $(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --no-index --editable .
COMPILE := $(BIN)/python -m compileall -q hf_ledger/*.py hf_ledger/cli hf_ledger/practice ingest analytics dashboard
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: run test lint types bench docs lock wheel clean help

run: $(VENV)/run.stamp  ## Install, make the sample ledger if there is none, start everything on one loopback port
	@$(BIN)/hf-ledger sample --if-missing
	@$(BIN)/hf-ledger serve --practice --port $(PORT)

test: $(VENV)/test.stamp $(CLIENTS)  ## Install what the tests need and run them all
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/test.stamp  ## Format, lint and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

types: $(VENV)/test.stamp  ## Strict types
	@$(BIN)/mypy

bench: $(VENV)/test.stamp .venv-peers/stamp .venv-proxy/stamp .node-portkey/stamp  ## Measure what the documentation claims, peers beside it
	@$(BIN)/python -m benchmarks

docs: $(VENV)/run.stamp  ## Make the command reference again
	@$(BIN)/python -m hf_ledger.cli.reference > docs/commands.md

wheel: $(VENV)/run.stamp  ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --no-build-isolation --no-deps --no-index --wheel-dir dist .

lock:  ## Compile the locks again (needs uv in the environment: pip install uv)
	$(UV_COMPILE) --group build --output-file $(LOCKS)/build.txt
	$(UV_COMPILE) --extra server --group build --output-file $(LOCKS)/run.txt
	$(UV_COMPILE) --extra server --group build --group test --group lint \
		--constraint $(LOCKS)/run.txt --output-file $(LOCKS)/test.txt
	$(UV_COMPILE) --group smoke --constraint $(LOCKS)/test.txt --output-file $(LOCKS)/smoke.txt
	$(UV_COMPILE) --group peers --output-file $(LOCKS)/peers.txt
	$(UV_COMPILE) --group proxy --output-file $(LOCKS)/proxy.txt
	$(UV_COMPILE) --group clients-1 --output-file $(LOCKS)/clients-1.txt
	$(UV_COMPILE) --group clients-2 --output-file $(LOCKS)/clients-2.txt

clean:  ## Remove environments and builds; never a ledger
	rm -rf $(VENV) $(dir $(CLIENTS)) .venv-peers .venv-proxy .node-portkey dist

help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hf-ledger needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# A stamp is newer than its lock when the environment matches it, so a second run needs no network.
$(VENV)/run.stamp: $(LOCKS)/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing hf-ledger into $(VENV) (about a minute, once) …"
	@$(PIP_INSTALL) -r $(LOCKS)/run.txt
	@$(SELF_INSTALL)
	@$(COMPILE)
	@touch $@

$(VENV)/test.stamp: $(LOCKS)/test.txt pyproject.toml | $(BIN)/python
	@echo "Installing hf-ledger and its tests into $(VENV) (about a minute, once) …"
	@$(PIP_INSTALL) -r $(LOCKS)/test.txt
	@$(SELF_INSTALL)
	@$(COMPILE)
	@touch $(VENV)/run.stamp $@

# The tools that record calls otherwise: measured in their own environment, since they pin older clients.
.venv-peers/stamp: $(LOCKS)/peers.txt
	@echo "Installing the peers into .venv-peers (about a minute, once) …"
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --require-hashes --no-deps --compile -r $(LOCKS)/peers.txt
	@touch $@

# The gateways that ours is compared with; the benchmark says which are missing.
.venv-proxy/stamp: $(LOCKS)/proxy.txt
	@echo "Installing LiteLLM's proxy into .venv-proxy (about a minute, once) …"
	@$(PYTHON) -m venv .venv-proxy
	@.venv-proxy/bin/python -m pip install --quiet --require-hashes --no-deps --compile -r $(LOCKS)/proxy.txt
	@touch $@

.node-portkey/stamp: $(LOCKS)/portkey/package-lock.json
	@mkdir -p $(@D)
	@cp $(LOCKS)/portkey/*.json $(@D)
	@if command -v npm > /dev/null; then npm ci --silent --ignore-scripts --prefix $(@D); \
		else echo "Without npm Portkey's gateway is not measured."; fi
	@touch $@

# Other people's clients, which can't share one environment; the tests start programs in these.
.venv-clients-%/clients.stamp: $(LOCKS)/clients-%.txt | $(VENV)/test.stamp
	@echo "Installing other clients into $(@D) (about a quarter of a minute, once) …"
	@$(BIN)/python -m venv --clear --without-pip $(@D)
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(@D)/bin/python $<
	@touch $@
