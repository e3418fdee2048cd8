#!/bin/sh
# Puts the C and C++ library in place, or takes just that away again; `make install` and `make uninstall` call it.
#
# Usage: [PREFIX=/usr/local] [DESTDIR=] [LIBDIR=] [INCLUDEDIR=] scripts/install-c.sh install BUILT | uninstall
# BUILT is the directory that has libmediacask.so and libmediacask.a. DESTDIR goes in front of every path that is
# written, and is part of none that is remembered.
set -eu
cd "$(dirname "$0")/.."

PREFIX=${PREFIX:-/usr/local}
LIBDIR=${LIBDIR:-$PREFIX/lib}
INCLUDEDIR=${INCLUDEDIR:-$PREFIX/include}
DESTDIR=${DESTDIR:-}

case $PREFIX$LIBDIR$INCLUDEDIR in
    *[!A-Za-z0-9_./+-]*)
        echo 'install-c: PREFIX, LIBDIR and INCLUDEDIR are plain paths: letters, digits, and any of _ . / + -' >&2
        exit 2
        ;;
esac

# What the library counts by its SONAME (bindings/c/build.rs).
soversion=0
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
minor=${version#*.}
lib=$DESTDIR$LIBDIR
include=$DESTDIR$INCLUDEDIR

# Fills in a template of bindings/c/package.
fill() {
    sed -e "s|@PREFIX@|$PREFIX|" -e "s|@LIBDIR@|$LIBDIR|" -e "s|@INCLUDEDIR@|$INCLUDEDIR|" \
        -e "s|@VERSION@|$version|" -e "s|@VERSION_MAJOR@|${version%%.*}|" -e "s|@VERSION_MINOR@|${minor%%.*}|" \
        -e "s|@SOVERSION@|$soversion|" \
        -e "s|@INCLUDEDIR_FROM_LIBDIR@|$(realpath -m --relative-to="$LIBDIR" "$INCLUDEDIR")|" \
        "bindings/c/package/$1.in" >"$2/$1"
    chmod 644 "$2/$1"
}

case ${1:-} in
    install)
        built=${2:?the directory of the built libraries}
        install -d "$include" "$lib/pkgconfig" "$lib/cmake/mediacask"
        install -m 644 include/mediacask.h include/mediacask.hpp "$include"
        install -m 755 "$built/libmediacask.so" "$lib/libmediacask.so.$soversion"
        ln -sf "libmediacask.so.$soversion" "$lib/libmediacask.so"
        install -m 644 "$built/libmediacask.a" "$lib"
        fill mediacask.pc "$lib/pkgconfig"
        fill mediacask-config.cmake "$lib/cmake/mediacask"
        fill mediacask-config-version.cmake "$lib/cmake/mediacask"
        ;;
    uninstall)
        rm -f "$include/mediacask.h" "$include/mediacask.hpp" "$lib/libmediacask.so.$soversion" \
            "$lib/libmediacask.so" "$lib/libmediacask.a" "$lib/pkgconfig/mediacask.pc" \
            "$lib/cmake/mediacask/mediacask-config.cmake" "$lib/cmake/mediacask/mediacask-config-version.cmake"
        # The one directory that is ours alone.
        [ ! -d "$lib/cmake/mediacask" ] || rmdir --ignore-fail-on-non-empty "$lib/cmake/mediacask"
        ;;
    *)
        sed -n 's/^# \(Usage: .*\)/\1/p' "$0" >&2
        exit 2
        ;;
esac
