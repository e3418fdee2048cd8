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

# Crates that stand apart from the workspace, with a lock file of their own.
APART = $(wildcard tests/*/Cargo.toml benches/*/Cargo.toml)

.DEFAULT_GOAL = help
.PHONY: help demo test lint deny shuttle fuzz bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: ## Build the command line and show the store at work on real media
	@sh scripts/need.sh cargo cc
	cargo build --release --locked -p mediacask-cli
	$(CARGO_TARGET_DIR)/release/mediacask demo --media tests/media

test: ## Run every test of the workspace, doc tests included
	@sh scripts/need.sh cargo cc
	@sh scripts/system-packages.sh $(C_TESTS_NEED)
	cargo test --workspace --locked
	cargo test --locked --all-features --lib --test telemetry --test operations

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

bench: ## Measure the store
	@sh scripts/need.sh cargo cc
	cargo bench --locked

# The C and C++ interface.
# What its tests are built and checked with, as Debian calls it.
C_TESTS_NEED = gcc g++ clang valgrind libc6-dev
.PHONY: header

header: ## Write include/mediacask.h anew from bindings/c
	@sh scripts/need.sh cargo cc
	MEDIACASK_WRITE_HEADER=1 cargo test --locked -p mediacask-c --test header

clean: ## Remove everything that was built, tools included
	cargo clean
