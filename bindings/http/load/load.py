"""The gateway under load: a thousand connections, and beside nginx.

    make load          a minute of the one, three minutes of the other
    make load-smoke    seconds of each: whether it works, not how fast

1. A thousand connections that are kept open GET and PUT for a minute, durably. Every answer is looked at: a status that
   is none of 200 and 204, a body that is not whole, a connection that fails, an error in the log or a damaged store
   afterwards is a failure of the run.
2. The same contents from the store by the gateway, and as files by nginx with sendfile, both with their access logs, by
   turns within one run. Machines differ, and other work on them does: what counts is the ratio. CPU time is given
   beside, since on a machine of few cores wrk takes its part of them.

`MEDIACASK` names the program; wrk and nginx are Debian's packages. Nothing but the standard library is needed.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
# On the disk the build is on: a file system in memory syncs for nothing.
PLACE = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute() / "load"
ACCOUNT = "5500001"
MEDIA = f"/api/v2/users/{ACCOUNT}/media"
BASIC = "Basic " + base64.b64encode(b"bwuser:bwpass").decode()
TICK = os.sysconf("SC_CLK_TCK")

GATEWAY = f"""
listen = "127.0.0.1:0"
[[bandwidth.users]]
username = "bwuser"
password = "bwpass"
account = "{ACCOUNT}"
"""

# As Debian has it, but for keep-alive connections that end after 1,000 requests.
NGINX = """
daemon off;
{user}
worker_processes auto;
pid {place}/nginx.pid;
error_log {place}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    sendfile on;
    tcp_nopush on;
    default_type image/png;
    keepalive_requests 1000000000;
    access_log {place}/nginx-access.log;
    client_body_temp_path {place}/nginx-body;
    proxy_temp_path {place}/nginx-proxy;
    fastcgi_temp_path {place}/nginx-fastcgi;
    uwsgi_temp_path {place}/nginx-uwsgi;
    scgi_temp_path {place}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port};
        root {place}/files;
    }}
}}
"""


class Server(NamedTuple):
    """A server that listens, and the process to tell about it."""

    host: str
    process: subprocess.Popen[Any]

    def cpu_secs(self) -> float:
        """What it has used so far, its workers as well."""
        pids = [self.process.pid, *children(self.process.pid)]
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICK

    def resident_mib_max(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stop(process: subprocess.Popen[Any]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(60)
    finally:
        process.kill()


@contextmanager
def gateway() -> Iterator[Server]:
    config = PLACE / "gateway.toml"
    config.write_text(GATEWAY)
    command = [os.environ["MEDIACASK"], "--store", str(PLACE / "store"), "serve", "--config", str(config)]
    with (PLACE / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    said = process.stdout.readline()
    if not said.startswith("listening on http://"):
        process.kill()
        sys.exit(f"the gateway did not start: {(PLACE / 'gateway.log').read_text()}")
    try:
        yield Server(said.strip().removeprefix("listening on http://"), process)
    except BaseException:
        process.kill()
        raise
    code = stop(process)
    if code != 0:
        sys.exit(f"the gateway ended with {code}: see {PLACE / 'gateway.log'}")


def free_port() -> int:
    """One that nobody has; below those that the system gives to clients, of whom a thousand were just here."""
    for port in range(10_000 + os.getpid() % 10_000, 30_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    sys.exit("there is no free port")


@contextmanager
def nginx() -> Iterator[Server]:
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    (PLACE / "nginx.conf").write_text(NGINX.format(place=PLACE, port=port, user=user))
    # Before it has read where its log is, it complains to where the package has it.
    command = [shutil.which("nginx") or "/usr/sbin/nginx", "-e", str(PLACE / "nginx.log"), "-c", str(PLACE / "nginx.conf")]
    process = subprocess.Popen(command)
    try:
        host = f"127.0.0.1:{port}"
        for _ in range(600):
            try:
                ask(host, "GET", "/")
                break
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"nginx did not start: {(PLACE / 'nginx.log').read_text()}")
                time.sleep(0.1)
        yield Server(host, process)
    finally:
        stop(process)


def ask(host: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection(host, timeout=120)
    try:
        connection.request(method, path, body, {"Authorization": BASIC, "Content-Type": "image/png"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def put(host: str, name: str, body: bytes) -> None:
    status, said = ask(host, "PUT", f"{MEDIA}/{name}", body)
    if status != 204:
        sys.exit(f"{name} was not stored: {status} {said!r}")


def wrk(host: str, script: str, arguments: list[str], *, connections: int, secs: int) -> dict[str, Any]:
    command = ["wrk", "--threads", "2", "--connections", str(connections), "--duration", f"{secs}s", "--timeout", "60s"]
    command += ["--script", str(HERE / script), f"http://{host}", "--", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if ran.returncode != 0 or len(lines) != 1:
        sys.exit(f"wrk failed: {ran.stdout}{ran.stderr}")
    return json.loads(lines[0])


def many_connections(secs: int) -> None:
    with gateway() as server:
        for number in range(1, 301):
            put(server.host, f"load-{number}", b"1000 a ".ljust(1000, b"a"))
        found = wrk(server.host, "mixed.lua", [BASIC], connections=1000, secs=secs)
        rate, cpu, resident = found["requests"] / found["seconds"], server.cpu_secs(), server.resident_mib_max()
    print(
        f"1,000 connections, GET and PUT, {found['seconds']:.0f} s: {found['requests']:,} requests, {rate:,.0f} a second, "
        f"p99 {found['p99_ms']:.0f} ms, {cpu:.0f} s of CPU, {resident} MiB at most, errors {found['errors']}, "
        f"broken bodies {found['broken']}",
        flush=True,
    )
    log = (PLACE / "gateway.log").read_text()
    complaints = [line for line in log.splitlines() if " ERROR " in line or " WARN " in line]
    verified = subprocess.run([os.environ["MEDIACASK"], "--store", str(PLACE / "store"), "verify"], check=False)
    if found["errors"] or found["broken"] or complaints or verified.returncode or found["requests"] < 1000:
        sys.exit(f"that is a failure: {found['example']} {complaints[:5]}")


def beside_nginx(rounds: int, secs: int) -> None:
    files = PLACE / "files"
    files.mkdir()
    contents = random.Random(1)
    print(f"GET by 64 connections, {rounds} rounds of {secs} s each, by turns; load before: {os.getloadavg()[0]:.2f}")
    with gateway() as ours, nginx() as theirs:
        for len_bytes, label in ((16 << 10, "16 KB"), (1 << 20, "1 MB")):
            count = 100 if len_bytes < 1 << 20 else 30
            for number in range(count):
                body = contents.randbytes(len_bytes)
                put(ours.host, f"{len_bytes}-{number}", body)
                (files / f"{len_bytes}-{number}").write_bytes(body)
                if not ask(ours.host, "GET", f"{MEDIA}/{len_bytes}-{number}") == (200, body):
                    sys.exit("the gateway does not give back what it was given")
                if not ask(theirs.host, "GET", f"/{len_bytes}-{number}") == (200, body):
                    sys.exit("nginx does not give what is in the file")
            rates: dict[str, list[float]] = {"gateway": [], "nginx": []}
            micros: dict[str, list[float]] = {"gateway": [], "nginx": []}
            for _ in range(rounds):
                for name, server, begin in (("gateway", ours, f"{MEDIA}/{len_bytes}-"), ("nginx", theirs, f"/{len_bytes}-")):
                    before = server.cpu_secs()
                    found = wrk(server.host, "names.lua", [begin, str(count), BASIC], connections=64, secs=secs)
                    if found["errors"]:
                        sys.exit(f"{name} failed {found['errors']} times")
                    rates[name].append(found["requests"] / found["seconds"])
                    micros[name].append((server.cpu_secs() - before) * 1e6 / found["requests"])
            rate = {name: statistics.median(found) for name, found in rates.items()}
            cpu = {name: statistics.median(found) for name, found in micros.items()}
            for name in rates:
                shown = " ".join(f"{found:,.0f}" for found in rates[name])
                print(f"{label:>6} {name:<8} {rate[name]:>8,.0f} a second ({shown}), {cpu[name]:.0f} µs of CPU each")
            print(
                f"{label:>6} ratio    {rate['gateway'] / rate['nginx']:>8.2f} of nginx's rate, "
                f"{cpu['gateway'] / cpu['nginx']:.2f} of its CPU time",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="seconds only, to see whether it works")
    smoke = parser.parse_args().smoke
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    many_connections(3 if smoke else 60)
    beside_nginx(1 if smoke else 3, 2 if smoke else 10)
    shutil.rmtree(PLACE)


if __name__ == "__main__":
    main()
