#!/bin/sh
# Compares what the C library exports with what the header declares, and what the header declares with the ABI on
# record (bindings/c/package/mediacask.abi). The ABI is that of the header as gcc reads it, so it does not depend on
# the Rust compiler.
#
# Usage: scripts/abi.sh check BUILT | record
# BUILT is the directory that has libmediacask.so. Record after adding functions, or fields at the end of a struct;
# what changes or goes needs a new SONAME first.
set -eu
cd "$(dirname "$0")/.."

header=include/mediacask.h
recorded=bindings/c/package/mediacask.abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A library with the header's functions and empty bodies: its debug information is the ABI.
{
    echo '#include "mediacask.h"'
    awk '/^[a-z].*mcask_[a-z_]+\(/ && !/^typedef/ { inside = 1 }
         inside { ends = sub(/\);$/, ") { __builtin_trap(); }"); print }
         ends { inside = 0; ends = 0 }' "$header"
} >"$work/stub.c"
gcc -std=c11 -g -O0 -w -shared -fPIC -Wl,-soname,libmediacask.so.0 -Iinclude "-ffile-prefix-map=$work=." -o "$work/libmediacask.so" "$work/stub.c"

exports() {
    nm -D --defined-only "$1" | awk '{ print $3 }' | sort
}

case ${1:-} in
    check)
        library=${2:?the directory of the built library}/libmediacask.so
        exports "$work/libmediacask.so" >"$work/declared"
        exports "$library" >"$work/exported"
        if ! diff "$work/declared" "$work/exported" >"$work/difference"; then
            echo "abi: $library does not export just what $header declares (<: not exported, >: not declared):" >&2
            cat "$work/difference" >&2
            exit 1
        fi
        if ! objdump -p "$library" | grep -q 'SONAME *libmediacask\.so\.0$'; then
            echo "abi: $library does not have the SONAME libmediacask.so.0" >&2
            exit 1
        fi
        if ! abidiff --no-show-locs "$recorded" "$work/libmediacask.so"; then
            echo "abi: $header is not the ABI on record. Additions at the end are recorded by \`make abi-record\`;" >&2
            echo 'abi: anything else breaks programs that are out there, and needs a new SONAME.' >&2
            exit 1
        fi
        echo "abi: $(wc -l <"$work/exported") functions, as declared and as on record"
        ;;
    record)
        abidw --type-id-style hash --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$recorded" "$work/libmediacask.so"
        ;;
    *)
        sed -n 's/^# \(Usage: .*\)/\1/p' "$0" >&2
        exit 2
        ;;
esac
