#!/bin/sh
# Has systemd read a unit as it would start it: every directive known, every value sound, every dependency there.
# The program that it starts need not be installed here; what systemd only warns of counts as a mistake.
#
# Usage: scripts/verify-unit.sh UNIT PROGRAM
# Exit status: 0 sound, 1 not, with systemd's own words.
set -u

unit=$1
program=$2
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
grep -q "^ExecStart=$program " "$unit" || {
    printf 'verify-unit: %s does not start %s\n' "$unit" "$program" >&2
    exit 1
}
sed "s#$program #/bin/true #" "$unit" >"$copy/$(basename "$unit")"
said=$(systemd-analyze verify "$copy/$(basename "$unit")" 2>&1) && [ -z "$said" ] && exit 0
printf 'verify-unit: %s is not what systemd expects:\n%s\n' "$unit" "$said" >&2
exit 1
