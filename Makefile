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
.PHONY: help demo test lint deny shuttle fuzz soak bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## Build the command line and show the store at work on real media
	@sh scripts/need.sh cargo cc
	cargo build --release --locked -p mediacask-cli
	$(CARGO_TARGET_DIR)/release/mediacask demo --media tests/media

test: ## Run every test of the workspace, doc tests included
	@sh scripts/need.sh cargo cc
	@sh scripts/system-packages.sh $(C_TESTS_NEED)
	cargo test --workspace --locked
	cargo test --locked --all-features --lib --test telemetry --test operations
	$(MAKE) test-python

lint: ## Check format, clippy, rustdoc and dependencies; warnings are errors
	@sh scripts/need.sh cargo rustfmt clippy cc
	cargo fmt --all --check
	@set -e; for manifest in $(APART); do \
	    echo "cargo fmt --check --manifest-path $$manifest"; \
	    cargo fmt --check --manifest-path "$$manifest"; \
	done
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --lib --test telemetry --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --all-features
	$(MAKE) deny

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

bench: ## Measure the store
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

# The Python package: a virtual environment of its own, made anew when its requirements change, and the wheel
# that is installed there. The wheel of the tests is built as the other tests are, so that they share what is built.
PYTHON = python3
PYTHON_DIR = $(abspath $(CARGO_TARGET_DIR))/python
PYTHON_VENV = $(PYTHON_DIR)/venv
PYTHON_BIN = $(PYTHON_VENV)/bin
WHEEL_PROFILE = dev

.PHONY: test-python
test-python: $(PYTHON_VENV)/made ## Build the Python wheel, install it and test what is installed
	@sh scripts/need.sh cargo cc
	sh bindings/python/install.sh $(PYTHON_VENV) $(PYTHON_DIR)/wheel $(WHEEL_PROFILE)
	cd $(PYTHON_DIR) && $(PYTHON_BIN)/python -m pytest -q -c $(CURDIR)/bindings/python/pyproject.toml \
	    -p no:cacheprovider $(CURDIR)/bindings/python/tests

$(PYTHON_VENV)/made: bindings/python/requirements.txt
	@sh scripts/need.sh python3
	rm -rf $(PYTHON_VENV)
	$(PYTHON) -m venv $(PYTHON_VENV)
	$(PYTHON_BIN)/python -m pip install --quiet --disable-pip-version-check -r bindings/python/requirements.txt
	touch $@

clean: ## Remove everything that was built, tools included
	cargo clean
