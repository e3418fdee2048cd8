#!/bin/sh
# Builds the wheel and installs it into a virtual environment that has maturin.
#
# Usage: bindings/python/install.sh VENV WHEEL_DIR PROFILE
set -eu

venv=$1 wheels=$2 profile=$3
rm -rf "$wheels"
# maturin looks for tools of its own on the path, and takes the interpreter of the environment it runs in.
PATH="$venv/bin:$PATH" "$venv/bin/maturin" build --locked --profile "$profile" \
    --manifest-path "$(dirname "$0")/Cargo.toml" --interpreter "$venv/bin/python" --out "$wheels"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall \
    "$wheels"/*.whl
