"""Runs schemathesis against a gateway: whether it does what its description says.

Usage: run.py SCHEMATHESIS MEDIACASK EXAMPLES SEED

Starts `mediacask serve` on a store of its own and a free port, and has every operation of
/mediacask/v1/openapi.json asked for EXAMPLES times at most, with inputs that fit their schemas and inputs that do
not. The checks are those of schemathesis.toml. Exits with what schemathesis exits with, which prints the seed, too.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = """
listen = "127.0.0.1:0"
log = { requests = "off" }
[[native.tokens]]
token = "fuzzed"
access = "admin"
[limits]
# What has no end of its own must come to one.
body_secs = 10
shutdown_secs = 5
"""

# Longest run, in seconds, however busy the machine.
TIME_MAX = 600


def main() -> int:
    schemathesis, mediacask, examples, seed = sys.argv[1:]
    here = Path(__file__).resolve().parent
    # In memory where there is some: a thousand writes wait for the disk otherwise.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as scratch:
        config = Path(scratch, "gateway.toml")
        config.write_text(CONFIG)
        command = [mediacask, "--store", str(Path(scratch, "store")), "serve", "--config", str(config)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().removeprefix("listening on ").strip()
            if not address.startswith("http://"):
                raise SystemExit(f"the gateway did not begin to listen: {address!r}")
            run = [
                schemathesis, "--config-file", str(here / "schemathesis.toml"),
                "run", f"{address}/mediacask/v1/openapi.json", "--max-examples", examples, "--seed", seed,
            ]
            tested = subprocess.run(run, cwd=scratch, env={**os.environ, "TOKEN": "fuzzed"}, timeout=TIME_MAX)
            if server.poll() is not None:
                raise SystemExit(f"the gateway ended meanwhile, with {server.returncode}")
            return tested.returncode
        finally:
            server.terminate()
            ended = server.wait(timeout=60)
            if ended != 0:
                raise SystemExit(f"the gateway ended with {ended} when it was told to")


if __name__ == "__main__":
    sys.exit(main())
