#!/bin/sh
# Installs the library into an empty tree, builds the examples against it in every way a program may, runs them, and
# takes the library away again. `make package` calls it.
#
# Usage: tests/c/package/check.sh BUILT    (the directory that has libmediacask.so and libmediacask.a)
set -eu
top=$(cd "$(dirname "$0")/../../.." && pwd)
built=$(cd "${1:?the directory of the built libraries}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

export DESTDIR="$work/tree" PREFIX=/opt/mediacask
place=$DESTDIR$PREFIX
examples=$top/bindings/c/examples
warnings='-Wall -Wextra -Wpedantic -Werror'

# What others have in the same places stays.
mkdir -p "$place/lib/pkgconfig" "$place/include"
echo 'not ours' | tee "$place/lib/pkgconfig/other.pc" "$place/include/other.h" >"$place/lib/libother.a"
(cd "$DESTDIR" && find . | sort) >before

sh "$top/scripts/install-c.sh" install "$built"

# Each program tells on standard output what it did; each way of building is to give the same.
runs() {
    rm -rf store
    case $1 in
        *gateway*) env LD_LIBRARY_PATH="$place/lib" "$1" store >said ;;
        *)
            env LD_LIBRARY_PATH="$place/lib" "$1" store "$built/libmediacask.so" copy >said
            cmp copy "$built/libmediacask.so"
            ;;
    esac
    kind=${1##*/}
    kind=${kind%%-*}
    [ -f "said-by-$kind" ] || cp said "said-by-$kind"
    cmp said "said-by-$kind"
    echo "package: ${1#"$work"/} runs"
}

# By pkg-config. What the tree is prefixed with is pkg-config's business: its sysroot.
export PKG_CONFIG_SYSROOT_DIR="$DESTDIR" PKG_CONFIG_PATH="$place/lib/pkgconfig"
[ "$(pkg-config --modversion mediacask)" = "$(sed -n 's/^version = "\(.*\)"$/\1/p' "$top/Cargo.toml" | head -n 1)" ]
mkdir by-pkg-config
flags=$(pkg-config --cflags mediacask)
shared=$(pkg-config --libs mediacask)
static="$place/lib/libmediacask.a $(pkg-config --static --libs-only-l mediacask | sed 's/-lmediacask//')"
# The flags are lists of words on purpose.
# shellcheck disable=SC2086
{
    gcc -std=c11 -D_GNU_SOURCE $warnings $flags "$examples/gateway.c" $shared -o by-pkg-config/gateway
    gcc -std=c11 -D_GNU_SOURCE $warnings $flags "$examples/gateway.c" $static -o by-pkg-config/gateway-static
    g++ -std=c++17 $warnings $flags "$examples/stream.cpp" $shared -o by-pkg-config/stream
    g++ -std=c++17 $warnings $flags "$examples/stream.cpp" $static -o by-pkg-config/stream-static
}
unset PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH

# By find_package.
cmake -S "$top/tests/c/package" -B by-cmake -DCMAKE_PREFIX_PATH="$place" -DEXAMPLES="$examples" >cmake.log ||
    { cat cmake.log >&2; exit 1; }
cmake --build by-cmake >cmake.log || { cat cmake.log >&2; exit 1; }

for way in by-pkg-config by-cmake; do
    # The SONAME is what a program asks for, and the installed tree has it under that name.
    for program in gateway stream; do
        objdump -p "$way/$program" | grep -q 'NEEDED *libmediacask\.so\.0$'
        runs "$work/$way/$program"
        if objdump -p "$way/$program-static" | grep -q 'NEEDED *libmediacask'; then
            echo "package: $way/$program-static is not static" >&2
            exit 1
        fi
        runs "$work/$way/$program-static"
    done
done

sh "$top/scripts/install-c.sh" uninstall
(cd "$DESTDIR" && find . | sort) >after
# The directories that were made are left: others may use them by now.
grep -v -x -e './opt/mediacask/lib/cmake' after | diff before -
echo 'package: installed, built against by pkg-config and CMake, shared and static, and taken away'
