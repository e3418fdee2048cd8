#!/bin/sh
# Installs the Debian packages named, those that are not there yet. When all are there it touches
# nothing: no network, no root.
#
# Usage: scripts/system-packages.sh PACKAGE...
# Exit status: 0 all installed, 1 not possible here (said in a sentence), 2 no package named.
set -u

if [ $# -eq 0 ]; then
    echo 'Usage: scripts/system-packages.sh PACKAGE...' >&2
    exit 2
fi

absent=
for package; do
    dpkg-query -W -f '${db:Status-Abbrev}\n' "$package" 2>/dev/null | grep -q '^.i' || absent="$absent $package"
done
[ -n "$absent" ] || exit 0

refuse() {
    printf 'system-packages: %s\n' "$1" >&2
    exit 1
}

command -v apt-get >/dev/null 2>&1 ||
    refuse "there is no apt-get here: install what corresponds to the Debian packages$absent by your system's own means."
[ "$(id -u)" -eq 0 ] ||
    refuse "not root: run \`sudo apt-get install$absent\` and start again."

export DEBIAN_FRONTEND=noninteractive
printf 'system-packages: installing%s\n' "$absent"
# The lists of a fresh container are empty or old; without them apt knows no package. A list that
# does not answer is no reason to stop: the install decides.
apt-get update -qq </dev/null || true
# $absent is a list of words on purpose.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $absent </dev/null ||
    refuse "apt-get could not install$absent; its own message stands above."
