PYTHON ?= python3
BIN := .venv/bin

# the tests start many processes; without kept bytecode each would compile all that it imports
unexport PYTHONDONTWRITEBYTECODE

run: .venv/ready     # a made-up house on this machine, texted by real SMTP
	@$(BIN)/housecarl demo

test: .venv/ready    # the fast suite; tests that need a server skip with the reason
	$(BIN)/python -m pytest

coverage: .venv/ready    # statement and branch coverage of the fast suite, processes included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest; status=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$status

lint: .venv/ready    # format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready   # mypy strict, pyright
	$(BIN)/mypy
	$(BIN)/pyright

man: .venv/ready     # the manual pages, for `man -M .venv/share/man housecarl`
	@$(BIN)/python -m housecarl.cli.manual .venv/share/man

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

.PHONY: run test coverage lint types man
