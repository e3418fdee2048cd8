#!/bin/sh
# keep-bench.sh DIRECTORY: takes what `make bench` has left there into benches/results and README.md, to be committed.
set -eu
from=$1
kept=benches/results
mkdir -p $kept
for plot in writers put-16384-16 put_recycled-16384-16 churn-16384-16-2000 get_slice-100-1-100000 get_bytes-1048576-1 \
    list-100-1-100000 open_killed-100-1-100000; do
    cp "$from/$plot.svg" $kept/
done
cp "$from/peers.json" "$from/peers.md" $kept/
awk -v table="$from/ratios.md" '
    /^<!-- ratios -->$/ { print; print ""; while ((getline line < table) > 0) print line; print ""; inside = 1 }
    /^<!-- end of ratios -->$/ { inside = 0 }
    !inside
' README.md > README.md.new
mv README.md.new README.md
