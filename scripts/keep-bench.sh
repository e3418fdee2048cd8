#!/bin/sh
# keep-bench.sh DIRECTORY: takes what `make bench` or `make bench-full` has left there into benches/results and
# README.md, to be committed; and what `make bench-scaling` has left in DIRECTORY/scaling, if it has.
set -eu
from=$1
kept=benches/results
mkdir -p $kept

# take NAME PATTERN: the plot of that pattern under a name that stays; where forms differ, the one of most names.
take() {
    plot=$(find "$from" -maxdepth 1 -name "$2" | sort -V | tail -n 1)
    [ -n "$plot" ] || { echo "keep-bench: there is no $2 in $from; has the whole bench run?" >&2; exit 1; }
    cp "$plot" "$kept/$1.svg"
}

# between MARK FILE: puts the file's text into README.md, between the marks.
between() {
    awk -v mark="$1" -v table="$2" '
        $0 == "<!-- " mark " -->" { print; print ""; while ((getline line < table) > 0) print line; print ""; inside = 1 }
        $0 == "<!-- end of " mark " -->" { inside = 0 }
        !inside
    ' README.md > README.md.new
    mv README.md.new README.md
}

if [ -f "$from/peers.json" ]; then
    take put 'put-16384-16.svg'
    take put_recycled 'put_recycled-16384-16.svg'
    take churn 'churn-16384-16-*.svg'
    take get_bytes 'get_bytes-1048576-1.svg'
    take get_slice 'get_slice-100-1-*.svg'
    take list 'list-100-1-*.svg'
    take open_killed 'open_killed-100-1-*.svg'
    cp "$from/peers.json" "$from/peers.md" $kept/
    between ratios "$from/ratios.md"
fi

if [ -f "$from/scaling/peers.json" ]; then
    # Those of writers or of names, when only one of both was measured.
    for curve in writers writers-p99 names-load names-get names-list names-put names-open names-killed names-memory; do
        [ ! -f "$from/scaling/$curve.svg" ] || cp "$from/scaling/$curve.svg" $kept/
    done
    cp "$from/scaling/peers.json" $kept/scaling.json
    between scaling "$from/scaling/scaling.md"
fi
