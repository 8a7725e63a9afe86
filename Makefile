.POSIX:
.PHONY: help demo test lint bench clean setup format lock docs engine

help: ## what there is to type
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' Makefile

demo: ## the Iris experiment on this machine, from nothing: no Azure account
	@scripts/setup demo
	@.venv/bin/aml demo

test: ## style, types and every test
	@scripts/setup test
	@$(MAKE) lint
	@.venv/bin/python -m pytest $(PYTEST)

setup: ## install everything, run nothing
	@scripts/setup test

lint: ## Black, Flake8, mypy
	@scripts/setup test
	@.venv/bin/black --quiet --check --diff .
	@.venv/bin/flake8 .
	@.venv/bin/mypy

format: ## let Black write the files anew
	@scripts/setup test
	@.venv/bin/black --quiet .

bench: ## the figures of benchmarks/README.md
	@scripts/setup test
	@.venv/bin/python -m benchmarks

engine: ## the Pulumi engine: the one on PATH, else one for the tests, built once (needs Go, minutes)
	@scripts/setup demo
	@.venv/bin/python -m infra.engine_build

docs: ## write anew what the documents take from the code
	@scripts/setup test
	@.venv/bin/python -m docs.generate

lock: ## resolve the dependencies anew
	@scripts/setup demo
	@scripts/lock

clean: ## everything that was installed or made here
	@[ ! -x .venv/bin/aml ] || .venv/bin/aml local down
	@rm -rf .venv .venv-az .venv-peers .setup .local node_modules build *.egg-info .pytest_cache .mypy_cache
