#!/bin/sh
# Says, before anything is built, which tools are missing or too old, one plain sentence each.
#
# Usage: scripts/need.sh [cargo|rustfmt|clippy|cc|python3|node|npm|make ...]    (default: cargo cc python3 make)
# Exit status: 0 all there, 1 something is missing, 2 a tool this script does not know.
set -u

status=0

missing() {
    printf 'need: %s\n' "$1" >&2
    status=1
}

# at_least VERSION MAJOR MINOR: VERSION ("1.95.0", "1.97.0-nightly") is MAJOR.MINOR or newer.
at_least() {
    major=${1%%.*}
    minor=${1#*.}
    minor=${minor%%[!0-9]*}
    [ "$major" -gt "$2" ] 2>/dev/null || { [ "$major" -eq "$2" ] && [ "$minor" -ge "$3" ]; } 2>/dev/null
}

need_cargo() {
    found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2)
    if [ -z "$found" ]; then
        missing 'cargo is missing: install Rust 1.95 or newer with rustup (https://rustup.rs).'
    elif ! at_least "$found" 1 95; then
        missing "cargo is $found, and 1.95 or newer is needed: run \`rustup update stable\`."
    fi
}

need_component() {
    cargo "$1" --version >/dev/null 2>&1 ||
        missing "$2 is missing: run \`rustup component add $2\`, or install your system's package for it."
}

need_cc() {
    command -v cc >/dev/null 2>&1 ||
        missing 'cc, a C compiler, is missing (Rust links with it): install gcc, on Debian with `apt-get install gcc libc6-dev`.'
}

need_python3() {
    if ! command -v python3 >/dev/null 2>&1; then
        missing 'python3 is missing: install Python 3.11 or newer, on Debian with `apt-get install python3`.'
    elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        missing "python3 is $(python3 --version 2>&1 | cut -d ' ' -f 2), and 3.11 or newer is needed: install a newer Python and put it first in PATH."
    elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        missing "python3 has no venv module: on Debian install it with \`apt-get install python3-venv\`."
    fi
}

need_node() {
    found=$(node --version 2>/dev/null)
    if [ -z "$found" ]; then
        missing 'node is missing (the tests with the SDKs of npm run in it): install Node.js 18 or newer, on Debian with `apt-get install nodejs`.'
    elif ! at_least "${found#v}" 18 0; then
        missing "node is ${found#v}, and 18 or newer is needed (for its test runner): install a newer Node.js and put it first in PATH."
    fi
}

need_npm() {
    command -v npm >/dev/null 2>&1 ||
        missing 'npm is missing (it installs what runs in node: pyright, and the SDKs of the tests): install it, on Debian with `apt-get install npm`.'
}

need_make() {
    command -v make >/dev/null 2>&1 ||
        missing 'make is missing: install GNU make, on Debian with `apt-get install make`.'
}

[ $# -gt 0 ] || set -- cargo cc python3 make
for tool; do
    case $tool in
        cargo) need_cargo ;;
        rustfmt) need_component fmt rustfmt ;;
        clippy) need_component clippy clippy ;;
        cc | gcc) need_cc ;;
        python3) need_python3 ;;
        node) need_node ;;
        npm) need_npm ;;
        make) need_make ;;
        *)
            printf 'need: "%s" is not a tool this script knows; it checks cargo, rustfmt, clippy, cc, python3, node, npm and make.\n' "$tool" >&2
            exit 2
            ;;
    esac
done
exit "$status"
