#!/bin/sh
# Builds the wheel, as pip does it, and installs it into a virtual environment that has maturin.
#
# Usage: bindings/python/install.sh VENV WHEEL_DIR PROFILE [sdist]
# With "sdist" the wheel is built from the source distribution, too, and must be the same; what is installed is
# that one.
set -eu

venv=$1 wheels=$2 profile=$3 from=${4:-tree}
here=$(dirname "$0")
# The build finds maturin, and maturin the interpreter, by the path.
PATH="$venv/bin:$PATH"
export PATH

# wheel SOURCE DIR CARGO_OPTION: everything it needs is there, so nothing is isolated and nothing is fetched by pip.
wheel() {
    rm -rf "$2"
    python -m pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --config-settings=build-args="--profile $profile $3" --wheel-dir "$2" "$1"
}

wheel "$here" "$wheels" --locked
if [ "$from" = sdist ]; then
    rm -rf "$wheels-sdist"
    maturin sdist --manifest-path "$here/Cargo.toml" --out "$wheels-sdist" 2>/dev/null
    # Built apart, or cargo would take what it has built from the tree for the same; and from files of today, or it
    # would take what it has built from the sdist before.
    (cd "$wheels-sdist" && tar -xmzf ./*.tar.gz && rm ./*.tar.gz)
    CARGO_TARGET_DIR=$wheels-target
    export CARGO_TARGET_DIR
    # Its workspace has fewer members, so its lock file is not the same to the letter.
    wheel "$wheels-sdist"/* "$wheels-again" --offline
    rm -rf "$wheels-sdist"
    python "$here/same_wheel.py" "$wheels"/*.whl "$wheels-again"/*.whl
    wheels=$wheels-again
fi
python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall "$wheels"/*.whl
