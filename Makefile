# The commands of the README. Everything is kept in .venv and .seedtest; delete both to start over.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo dev test test-fast quick-tests lint warm docs tables bench build image-test outdated lock upgrade down

install: .venv/installed

# uv, of the version and hash in constraints.txt, installs the rest from there. Where pip has an index of its own, uv takes that, too.
# Without a terminal, which shows its progress, uv lists nothing.
UV = index=$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}; \
	$${index:+env UV_DEFAULT_INDEX=$$index} $(BIN)/uv pip install $$([ -t 2 ] || echo --quiet) --python $(BIN)/python

.venv/bin/uv: constraints.txt
	@echo "installing into .venv"
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' constraints.txt | $(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement /dev/stdin
	@touch $@

# What the nights, the UI and the demonstration need.
.venv/running: .venv/bin/uv pyproject.toml
	@$(UV) --require-hashes --constraint constraints.txt --requirement pyproject.toml
	@$(UV) --no-deps --build-constraint constraints.txt --editable .
	@touch $@

# And what tests, documentation and benchmarks need. Bytecode is compiled now, on all cores: many processes import the same.
# The kernels are compiled while the packages come.
.venv/installed: .venv/running
	@echo "installing the tools of development, compiling the kernels"
	@$(BIN)/seedtest warm & warming=$$!; \
	{ $(UV) --compile-bytecode --require-hashes --constraint constraints.txt --requirement pyproject.toml --extra dev; } && wait $$warming
	@touch $@

demo: .venv/running  ## a simulated school, its last days calibrated, and in a terminal the UI
	@$(BIN)/seedtest demo

dev: .venv/running  ## the Dagster UI on http://localhost:3000, and the reports
	@$(BIN)/seedtest dev

# The types and, where the code has changed, the kernels take half a minute of a core each, so both run at a time, and no two
# workers compile the same. Three workers, also for two cores: the longest tests wait for daemons and browsers.
test: install  ## linter, types, the whole test suite
	@$(MAKE) --no-print-directory --jobs 2 lint warm
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

docs: install  ## the documentation as a site, in site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

tables: install  ## the tables in docs/ that are generated from the code
	$(BIN)/python docs/tables.py

test-fast: install  ## linter, types, and the tests that start no server: under a minute
	@$(MAKE) --no-print-directory --jobs 2 lint quick-tests

quick-tests: install
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow"

warm: install  ## compile the kernels of changed code
	@$(BIN)/seedtest warm

lint: install
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary

bench: install  ## benchmarks: the engine and other packages, whole nights, topics, features, the service, the report
	$(BIN)/python -m pip install --quiet 'mirt==1.2.0; python_version >= "3.11"' 'girth==0.8.0'
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.night
	$(BIN)/python -m benchmarks.topic_abilities
	$(BIN)/python -m benchmarks.features_daily
	$(BIN)/python -m benchmarks.irt_service calibrate
	$(BIN)/python -m benchmarks.report 2000 5000

build: install  ## in dist/: the wheel, its bill of materials (CycloneDX: what it installs, at the versions of constraints.txt), SHA-256 of both
	rm -rf dist
	$(BIN)/hatchling build --target wheel >/dev/null
	$(BIN)/uv tool run --quiet --from twine==7.0.0 twine check --strict dist/*.whl
	$(BIN)/uv tool run --quiet --from check-wheel-contents==0.6.3 check-wheel-contents dist/*.whl
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
		--constraint constraints.txt --output-file dist/requirements.txt pyproject.toml
	$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements dist/requirements.txt \
		--pyproject pyproject.toml --output-reproducible --output-file dist/sbom.cdx.json
	cd dist && sha256sum * >SHA256SUMS && cat SHA256SUMS

image-test:  ## builds the image on a base made here, and runs it: as root, with buildah and debootstrap of Debian
	deploy/image_test.sh

outdated: install  ## pins of constraints.txt that are behind the newest versions
	@$(BIN)/uv pip list --quiet --outdated --python $(BIN)/python

lock: install  ## constraints.txt from pyproject.toml, for every Python that it declares; versions stay where possible
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
		--extra dev --extra gcs --extra s3 --extra azure --extra kubernetes --extra cluster --output-file constraints.txt $(UPGRADE) pyproject.toml

upgrade: UPGRADE = --upgrade
upgrade: lock  ## the same with the newest versions that pyproject.toml allows

down:  ## stop the embedded PostgreSQL; the data stays
	@$(BIN)/seedtest down
