#!/bin/sh
# Runs every fuzzer of tests/fuzz, one after the other. What they find worth keeping goes to the build
# directory; what makes one fail is left there, too, and named.
#
# Usage: scripts/fuzz.sh CARGO_FUZZ BUILD_DIRECTORY SECONDS
set -eu
fuzz=$1 build=$2 seconds=$3

# Without a sanitizer a stable compiler will do, and the code under test has its unsafe blocks in one file.
target=$(rustc -vV | sed -n 's/^host: //p')
(cd tests/fuzz && CARGO_TARGET_DIR=$build/fuzz "$fuzz" build --sanitizer none --target "$target" --fuzz-dir .)

failed=
for source in tests/fuzz/fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    mkdir -p "$build/fuzz/corpus/$name" "$build/fuzz/artifacts/$name"
    printf '== fuzz %s for %s s\n' "$name" "$seconds"
    if ! "$build/fuzz/$target/release/$name" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$build/fuzz/artifacts/$name/" \
        "$build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"; then
        failed="$failed $name"
    fi
done
[ -z "$failed" ] || { echo "fuzz: failed:$failed; the inputs are in $build/fuzz/artifacts" >&2; exit 1; }
