# Every target sets the machine up first; bootstrap is a no-op when nothing is missing.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
WORKERS ?= $(shell nproc)
export PYTHONUTF8 := 1

.PHONY: help bootstrap demo serve test check bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

bootstrap: ## install what is missing
	@scripts/bootstrap.sh

demo: bootstrap ## load the sample city and serve it on http://127.0.0.1:8000
	@$(PY) -m cim demo $(ARGS)

serve: bootstrap ## serve the store in the data folder
	@$(PY) -m cim up $(ARGS)

test: bootstrap ## run all tests, one process per core (WORKERS=0: in one process)
	@$(PY) -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

check: bootstrap ## lint, types, layers, scripts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@scripts/check_repository.sh
	@cd viewer && PATH="$$(cat ../.tools/node-bin):$$PATH" npm run --silent typecheck && PATH="$$(cat ../.tools/node-bin):$$PATH" npm run --silent lint && \
	  PATH="$$(cat ../.tools/node-bin):$$PATH" npm run --silent types:check && PATH="$$(cat ../.tools/node-bin):$$PATH" npm test --silent

bench: bootstrap ## run the benchmarks
	@for file in benchmarks/[a-z]*.py; do case $$file in */data.py) ;; *) $(PY) $$file $(ARGS) ;; esac; done

lock: bootstrap ## resolve the requirements anew
	@for extra in "" dev; do .tools/venv/bin/uv pip compile pyproject.toml $${extra:+--extra $$extra} --quiet --universal \
	  --python-version 3.12 --generate-hashes --no-emit-index-url --no-annotate -o requirements$${extra:+-$$extra}.lock; done

clean: ## stop the private store and remove what was built, the data folder stays
	@if [ -x $(PY) ]; then $(PY) -m cim db stop || true; fi
	rm -rf .venv .tools viewer/node_modules viewer/dist viewer/public/cesium
