# Every target works from a clean checkout, and offline once it has run: Cargo.lock is committed and
# each cargo call is --locked, so cargo asks no registry for anything it has downloaded before.

CARGO_TARGET_DIR ?= target

# Pinned: a newer cargo-deny brings new checks and licence texts, and could fail a tree that nobody
# touched. Built from source, once (three minutes on two cores): the one on PyPI, 0.14, is too old to
# read deny.toml.
DENY_VERSION = 0.20.2
DENY_ROOT = $(CARGO_TARGET_DIR)/tools/cargo-deny-$(DENY_VERSION)
DENY = $(DENY_ROOT)/bin/cargo-deny

# Pinned, as above; built from source, once.
FUZZ_VERSION = 0.13.2
FUZZ_ROOT = $(CARGO_TARGET_DIR)/tools/cargo-fuzz-$(FUZZ_VERSION)
FUZZ = $(FUZZ_ROOT)/bin/cargo-fuzz
# How long each fuzzer runs.
SECONDS ?= 60
# How long the soak runs.
MINUTES ?= 60

# Crates that stand apart from the workspace, with a lock file of their own.
APART = $(wildcard tests/*/Cargo.toml benches/*/Cargo.toml)

.DEFAULT_GOAL = help
.PHONY: help demo test lint deny shuttle fuzz soak churn bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## Build the command line and show the store at work on real media
	@sh scripts/need.sh cargo cc
	cargo build --release --locked -p mediacask-cli
	$(CARGO_TARGET_DIR)/release/mediacask demo --media tests/media

test: ## Run every test of the workspace, doc tests included
	@sh scripts/need.sh cargo cc
	@sh scripts/system-packages.sh $(C_TESTS_NEED)
	cargo test --workspace --locked --features metrics,tracing
	cargo test --locked -p mediacask-http --no-default-features --lib
	cargo test --locked -p mediacask-cli --no-default-features --test cli serve::
	$(MAKE) test-python test-python-free test-sdk test-openapi

lint: ## Check format, clippy, rustdoc and dependencies; warnings are errors
	@sh scripts/need.sh cargo rustfmt clippy cc
	cargo fmt --all --check
	@set -e; for manifest in $(APART); do \
	    echo "cargo fmt --check --manifest-path $$manifest"; \
	    cargo fmt --check --manifest-path "$$manifest"; \
	done
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --lib --test telemetry --all-features --locked -- -D warnings
	cargo clippy -p mediacask-http -p mediacask-cli --all-targets --no-default-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --all-features
	$(MAKE) deny lint-python lint-unit

.PHONY: lint-unit
lint-unit: ## Have systemd read the unit of the gateway (bindings/http)
	@command -v systemd-analyze >/dev/null || sh scripts/system-packages.sh systemd
	sh scripts/verify-unit.sh bindings/http/mediacask.service /usr/local/bin/mediacask

deny: $(DENY) ## Check licences, bans and sources of all dependencies
	$(DENY) --locked check licenses bans sources

$(DENY):
	@sh scripts/need.sh cargo cc
	cargo install --locked cargo-deny --version $(DENY_VERSION) --root $(DENY_ROOT) --no-track

shuttle: ## Try many thread interleavings of the concurrent parts (tests/shuttle)
	@sh scripts/need.sh cargo cc
	cargo test --locked --manifest-path tests/shuttle/Cargo.toml --target-dir $(CARGO_TARGET_DIR)/shuttle

fuzz: $(FUZZ) ## Run each fuzzer of tests/fuzz for SECONDS=60
	sh scripts/fuzz.sh $(FUZZ) "$(abspath $(CARGO_TARGET_DIR))" $(SECONDS)

$(FUZZ):
	@sh scripts/need.sh cargo cc
	cargo install --locked cargo-fuzz --version $(FUZZ_VERSION) --root $(FUZZ_ROOT) --no-track

soak: ## Mix everything against a model, with kills, for MINUTES=60
	@sh scripts/need.sh cargo cc
	cargo build --release --locked --manifest-path tests/soak/Cargo.toml --target-dir $(CARGO_TARGET_DIR)/soak
	$(CARGO_TARGET_DIR)/soak/release/mediacask-soak $(MINUTES) $(CARGO_TARGET_DIR)/soak/store

churn: ## Overwrite 20,000 names by 16 writers: space, waits and bytes rewritten
	@sh scripts/need.sh cargo cc
	MEDIACASK_CHURN=whole cargo test --release --locked --test compaction_churn -- --nocapture

# The bench beside the peers (benches/peers) prints a table, and leaves it with JSON and plots in $(CARGO_TARGET_DIR)/bench.
PEERS_BUILD = cargo build --locked --manifest-path benches/peers/Cargo.toml --target-dir $(CARGO_TARGET_DIR)/peers
PEERS = $(CARGO_TARGET_DIR)/peers/release/mediacask-peers --dir $(CARGO_TARGET_DIR)/bench
# RocksDB takes twenty minutes to build, and these packages, as Debian calls them: `make bench WITH=rocksdb` has it, too,
# and `make bench-full WITH=` does without.
WITH ?=
bench-full bench-scaling: WITH = rocksdb
ROCKSDB_NEEDS = g++ clang libclang-dev
# RocksDB takes its checksums from the processor only where the compiler is told which one it is. Only it is C++.
PEERS_RELEASE = CXXFLAGS="-march=native" $(PEERS_BUILD) --release $(if $(WITH),--features $(WITH))
.PHONY: bench-full bench-scaling bench-smoke bench-core bench-keep

bench: ## Measure the store beside its peers, without RocksDB; ten minutes, once built
	@sh scripts/need.sh cargo cc
	$(if $(WITH),@sh scripts/system-packages.sh $(ROCKSDB_NEEDS))
	$(PEERS_RELEASE)
	$(PEERS) --out $(CARGO_TARGET_DIR)/bench

bench-keep: ## Take what the last benches have left into benches/results and README.md
	sh scripts/keep-bench.sh $(CARGO_TARGET_DIR)/bench

bench-full: bench-scaling ## Measure everything, RocksDB and 10 million names among it; hours, and 100 GB of disk
	$(PEERS) --full --out $(CARGO_TARGET_DIR)/bench

bench-scaling: ## Measure what grows: 1 to 64 writers, 10 thousand to 10 million names; half an hour, and 12 GB
	@sh scripts/need.sh cargo cc
	$(if $(WITH),@sh scripts/system-packages.sh $(ROCKSDB_NEEDS))
	$(PEERS_RELEASE)
	$(PEERS) --scaling --out $(CARGO_TARGET_DIR)/bench/scaling

bench-smoke: ## Check that the peers' bench works, and that each peer gives back what was put
	@sh scripts/need.sh cargo cc
	$(PEERS_BUILD)
	$(CARGO_TARGET_DIR)/peers/debug/mediacask-peers --smoke --dir $(CARGO_TARGET_DIR)/bench --out $(CARGO_TARGET_DIR)/bench/smoke

bench-core: ## Measure the store by itself, one question at a time
	@sh scripts/need.sh cargo cc
	cargo bench --locked

# The C and C++ interface.
# What its tests are built and checked with, as Debian calls it.
C_TESTS_NEED = gcc g++ clang valgrind libc6-dev
C_PACKAGE_NEEDS = gcc g++ cmake pkg-config binutils abigail-tools
C_BUILT = $(CARGO_TARGET_DIR)/release
PREFIX ?= /usr/local
DESTDIR ?=
.PHONY: header library install uninstall package abi-record bench-c

library: ## Build the C library for release
	@sh scripts/need.sh cargo cc
	cargo build --release --locked -p mediacask-c

install: library ## Install the C and C++ library; PREFIX= and DESTDIR= say where
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" sh scripts/install-c.sh install "$(C_BUILT)"

uninstall: ## Take the C and C++ library away again
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" sh scripts/install-c.sh uninstall

package: library ## Check the installed C library: its ABI, and programs built against it
	@sh scripts/system-packages.sh $(C_PACKAGE_NEEDS)
	sh scripts/abi.sh check "$(C_BUILT)"
	sh tests/c/package/check.sh "$(C_BUILT)"

abi-record: ## Put the ABI of include/mediacask.h on record
	@sh scripts/system-packages.sh gcc abigail-tools
	sh scripts/abi.sh record

bench-c: ## Measure what a call through C costs more than one through Rust
	@sh scripts/need.sh cargo cc
	cargo bench --locked -p mediacask-c --bench border

header: ## Write include/mediacask.h anew from bindings/c
	@sh scripts/need.sh cargo cc
	MEDIACASK_WRITE_HEADER=1 cargo test --locked -p mediacask-c --test header

# The Python package. Each interpreter has a virtual environment of its own, made anew when the requirements change;
# PYTHON=python3.13 takes another one. The wheel of the tests is built as the other tests are, so that they share
# what is built; the one that is measured is built as it is given out.
PYTHON = python3
PYTHON_DIR = $(abspath $(CARGO_TARGET_DIR))/python/$(notdir $(PYTHON))
PYTHON_VENV = $(PYTHON_DIR)/venv
PYTHON_HERE = $(CURDIR)/bindings/python
# Interpreters without the global lock: where there is one, the package is tested with it, too.
PYTHON_FREE = $(strip $(foreach python,python3.14t python3.13t,$(shell command -v $(python))))
# Pinned, as what stands in requirements.txt is; pip's package of this name would fetch it when it runs.
PYRIGHT_VERSION = 1.1.414
PYRIGHT_ROOT = $(abspath $(CARGO_TARGET_DIR))/tools/pyright-$(PYRIGHT_VERSION)
PYRIGHT = $(PYRIGHT_ROOT)/node_modules/.bin/pyright

.PHONY: test-python test-python-free lint-python bench-python python-optional
test-python: $(PYTHON_VENV)/made ## Build and install the Python wheel, from the tree and from the sdist, and test it
	@sh scripts/need.sh cargo cc
	sh bindings/python/install.sh $(PYTHON_VENV) $(PYTHON_DIR)/wheel dev sdist
	cd $(PYTHON_DIR) && $(PYTHON_VENV)/bin/python -m pytest -q -c $(PYTHON_HERE)/pyproject.toml \
	    -p no:cacheprovider $(PYTHON_HERE)/tests

test-python-free:
	@set -e; for python in $(firstword $(PYTHON_FREE)); do $(MAKE) test-python PYTHON=$$python; done
	$(if $(PYTHON_FREE),,@echo 'not run: there is no free-threaded Python here (python3.14t), so the package was not tested with one')

lint-python: $(PYTHON_VENV)/made $(PYRIGHT) ## Check the types of the Python package as it is installed
	sh bindings/python/install.sh $(PYTHON_VENV) $(PYTHON_DIR)/wheel dev
	cd $(PYTHON_DIR) && $(PYTHON_VENV)/bin/python -m mypy --config-file $(PYTHON_HERE)/pyproject.toml -p mediacask
	cd $(PYTHON_DIR) && $(PYTHON_VENV)/bin/python -m mypy --config-file $(PYTHON_HERE)/pyproject.toml \
	    $(PYTHON_HERE)/examples
	$(PYRIGHT) --project $(PYTHON_HERE) --pythonpath $(PYTHON_VENV)/bin/python
	cd $(PYTHON_DIR) && DJANGO_SETTINGS_MODULE=django.conf.global_settings $(PYTHON_VENV)/bin/python -m mypy.stubtest \
	    mediacask --mypy-config-file $(PYTHON_HERE)/pyproject.toml --allowlist $(PYTHON_HERE)/stubtest.allow

bench-python: $(PYTHON_DIR)/bench/made ## Measure the Python package beside the Rust library and others
	sh bindings/python/install.sh $(PYTHON_DIR)/bench $(PYTHON_DIR)/bench-wheel release
	$(PYTHON_DIR)/bench/bin/python bindings/python/bench/speed.py
	$(PYTHON_DIR)/bench/bin/python -m pytest -q -c $(PYTHON_HERE)/pyproject.toml -p no:cacheprovider \
	    --benchmark-sort=name --benchmark-columns=ops,median,min,rounds $(PYTHON_HERE)/bench

python-optional: $(PYTHON_VENV)/made ## Install pandas and pyarrow for the tests that use them
	$(PYTHON_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	    -r bindings/python/requirements-optional.txt

$(PYTHON_VENV)/made: bindings/python/requirements.txt
	@sh scripts/need.sh python3
	sh bindings/python/venv.sh $(PYTHON) $(@D) $<

$(PYTHON_DIR)/bench/made: bindings/python/requirements-bench.txt
	@sh scripts/need.sh python3
	sh bindings/python/venv.sh $(PYTHON) $(@D) $<

$(PYRIGHT):
	@sh scripts/need.sh npm
	npm install --silent --no-audit --no-fund --prefix $(PYRIGHT_ROOT) pyright@$(PYRIGHT_VERSION)

# The gateway is tested with the providers' own SDKs. Each Python one has a virtual environment of its own; npm's stand
# beside what is built, and so not beside the tests. Nothing is asked of the network again once they are made.
SDK_HERE = $(CURDIR)/bindings/http/tests/sdk
SDK_DIR = $(abspath $(CARGO_TARGET_DIR))/sdk
SDK_PYTHONS = $(patsubst $(SDK_HERE)/python/test_%.py,%,$(wildcard $(SDK_HERE)/python/test_*.py))
SDK_GATEWAY = $(abspath $(CARGO_TARGET_DIR))/debug/mediacask

.PHONY: test-sdk
test-sdk: $(SDK_PYTHONS:%=$(SDK_DIR)/%/made) $(SDK_DIR)/node/made ## Test the HTTP gateway with the providers' own SDKs
	@sh scripts/need.sh cargo cc
	@sh scripts/system-packages.sh curl
	cargo build --locked -p mediacask-cli
	@set -e; for sdk in $(SDK_PYTHONS); do \
	    echo "pytest bindings/http/tests/sdk/python/test_$$sdk.py"; \
	    MEDIACASK=$(SDK_GATEWAY) PYTHONDONTWRITEBYTECODE=1 $(SDK_DIR)/$$sdk/bin/python -m pytest -q \
	        -c $(SDK_HERE)/pytest.ini -p no:cacheprovider $(SDK_HERE)/python/test_$$sdk.py; \
	done
	MEDIACASK=$(SDK_GATEWAY) MEDIACASK_NODE_MODULES=$(SDK_DIR)/node/node_modules \
	    node --test $(wildcard $(SDK_HERE)/node/*.test.mjs)

$(SDK_DIR)/%/made: $(SDK_HERE)/requirements-%.txt $(SDK_HERE)/requirements-pytest.txt
	@sh scripts/need.sh python3
	sh bindings/python/venv.sh python3 $(@D) $<

$(SDK_DIR)/node/made: $(SDK_HERE)/node/package.json $(SDK_HERE)/node/package-lock.json
	@{ command -v node && command -v npm; } >/dev/null || sh scripts/system-packages.sh nodejs npm
	@sh scripts/need.sh node npm
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --silent --no-audit --no-fund --ignore-scripts
	touch $@

# The native API of the gateway, beside its description. Its tools are pinned in requirements.txt, which says why.
OPENAPI_DIR = $(abspath $(CARGO_TARGET_DIR))/openapi
# How often each operation is asked for with inputs that are made up, at most; half a minute in all. They are the same
# ones each time, so that no tree fails that nobody touched: another SEED makes others up.
EXAMPLES ?= 5
SEED ?= 1

.PHONY: test-openapi
test-openapi: $(OPENAPI_DIR)/venv/made ## Test the native API of the gateway against its description; EXAMPLES=5 SEED=1
	@sh scripts/need.sh cargo cc
	cargo build --locked -p mediacask-cli
	$(OPENAPI_DIR)/venv/bin/python bindings/http/tests/openapi/run.py $(OPENAPI_DIR)/venv/bin/schemathesis \
	    $(abspath $(CARGO_TARGET_DIR))/debug/mediacask $(EXAMPLES) $(SEED)

$(OPENAPI_DIR)/venv/made: bindings/http/tests/openapi/requirements.txt
	@sh scripts/need.sh python3
	sh bindings/python/venv.sh python3 $(@D) $<

# The gateway under load, and beside nginx: see bindings/http/load.
LOAD = MEDIACASK=$(abspath $(CARGO_TARGET_DIR))/release/mediacask CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR)) \
    python3 bindings/http/load/load.py
.PHONY: load load-smoke load-needs
load: load-needs ## Load the gateway by 1,000 connections for a minute, and measure it beside nginx
	$(LOAD)

load-smoke: load-needs ## Check that the gateway's load works, in seconds
	$(LOAD) --smoke

load-needs:
	@sh scripts/need.sh cargo cc python3
	@sh scripts/system-packages.sh nginx-light wrk
	cargo build --release --locked -p mediacask-cli

clean: ## Remove everything that was built, tools included
	cargo clean
