# The commands of the README. Everything is kept in .venv and .seedtest; delete both to start over.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo dev test test-fast lint docs tables bench build outdated lock upgrade down

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: install  ## a simulated school, its last days calibrated
	@$(BIN)/seedtest demo

dev: install  ## the Dagster UI on http://localhost:3000
	@$(BIN)/seedtest dev

test: install lint  ## linter, types, the whole test suite
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

docs: install  ## the documentation as a site, in site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

tables: install  ## the tables in docs/ that are generated from the code
	$(BIN)/python docs/tables.py

test-fast: install lint  ## linter, types, and the tests that start no server: under a minute
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow"

lint: install
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary

bench: install  ## benchmarks: the engine and other packages, the stages of a night, topics, features, the service, the report
	$(BIN)/python -m pip install --quiet 'mirt==1.2.0; python_version >= "3.11"' 'girth==0.8.0'
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.topic_abilities
	$(BIN)/python -m benchmarks.features_daily
	$(BIN)/python -m benchmarks.irt_service calibrate
	$(BIN)/python -m benchmarks.report 2000 5000

build: install  ## in dist/: the wheel, its bill of materials (CycloneDX: what it installs, at the versions of constraints.txt), SHA-256 of both
	rm -rf dist
	$(BIN)/hatchling build --target wheel >/dev/null
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
		--constraint constraints.txt --output-file dist/requirements.txt pyproject.toml
	$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements dist/requirements.txt \
		--pyproject pyproject.toml --output-reproducible --output-file dist/sbom.cdx.json
	cd dist && sha256sum * >SHA256SUMS && cat SHA256SUMS

outdated: install  ## pins of constraints.txt that are behind the newest versions
	@$(BIN)/uv pip list --quiet --outdated --python $(BIN)/python

lock: install  ## constraints.txt from pyproject.toml, for every Python that it declares; versions stay where possible
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
		--extra dev --output-file constraints.txt $(UPGRADE) pyproject.toml

upgrade: UPGRADE = --upgrade
upgrade: lock  ## the same with the newest versions that pyproject.toml allows

down:  ## stop the embedded PostgreSQL; the data stays
	@$(BIN)/seedtest down
