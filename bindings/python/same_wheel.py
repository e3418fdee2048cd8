"""Says whether two wheels are the same, and if not, where: same_wheel.py ONE OTHER.

The native library is there in both; its bytes tell of the directory it was built in, as do the bill of materials
and the record of hashes.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

# Without the global lock there is no stable ABI before 3.15.
FREE = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def differences(one: ZipFile, other: ZipFile) -> list[str]:
    """What is in one of them only, or not the same in both."""
    found = [f"only in one of them: {name}" for name in set(one.namelist()) ^ set(other.namelist())]
    for name in set(one.namelist()) & set(other.namelist()):
        told_apart = not name.endswith((".so", ".cyclonedx.json", "/RECORD"))
        if told_apart and one.read(name) != other.read(name):
            found.append(f"not the same in both: {name}")
    library = ".so" if FREE else ".abi3.so"
    if not any(name.endswith(library) for name in one.namelist()):
        found.append(f"no native library that ends with {library}")
    return sorted(found)


if __name__ == "__main__":
    paths = [Path(path) for path in sys.argv[1:]]
    found = differences(*(ZipFile(path) for path in paths))
    if paths[0].name != paths[1].name:
        found.append(f"not the same name: {paths[0].name} and {paths[1].name}")
    if not FREE and "-cp311-abi3-" not in paths[0].name:
        found.append(f"not a wheel for every Python from 3.11 on: {paths[0].name}")
    sys.exit("\n".join(found) or None)
