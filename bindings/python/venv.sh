#!/bin/sh
# Makes a virtual environment with exactly what a requirement file names, and says so in a file `made` in it.
#
# Usage: bindings/python/venv.sh PYTHON DIR REQUIREMENTS
set -eu

python=$1 dir=$2 requirements=$3
rm -rf "$dir"
"$python" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
touch "$dir/made"
