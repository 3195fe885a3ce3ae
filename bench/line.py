#!/usr/bin/env python3
"""Measures backup and restore over a slow line to a real S3 server.

Ceph's radosgw runs on loopback, behind a proxy in a process of its own that delays
every request, and lets bytes pass at a rate if there is to be one. Over it go, in
turn: chunkvault, restic, and plain parallel boto3 puts and gets of as many objects of
the same sizes as chunkvault stored, on as many connections. The goals: at least 0.8
times the speed of boto3, at most 0.6 times the wall time of restic.

Without a rate this measures processors: client, proxy and server share them, and a
get that throws away what it got takes a sixth of the work of a restore. With one it
measures what a line of that rate is used for. CPU is of the client alone.

Needs the packages of tools/test and restic. Examples:
    bench/line.py
    bench/line.py --megabytes 1000 --rate 50
    bench/line.py --megabytes 1000 --delay-ms 30 --connections 5 --rounds 3
"""

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path
from statistics import median

import boto3
from botocore.config import Config

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from bench.measuring import measure  # noqa: E402 - after the path
from tests.support.stores.fault_proxy import FaultProxy  # noqa: E402 - after the path
from tests.support.stores.radosgw import Radosgw, own_radosgw  # noqa: E402

BUCKET = "line"
PASSWORD = "benchmark"
SPEED_GOAL = 0.8
RESTIC_GOAL = 0.6
FILE_BYTES = 2 << 20

Figures = dict[str, list[float]]


def main() -> None:
    """Measure, and print a table."""
    arguments = read_arguments()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        folder = Path(name)
        source = make_source(folder / "source", arguments.megabytes << 20)
        figures: Figures = {}
        for number in range(arguments.rounds):
            with far_server(folder / f"server{number}", arguments) as server:
                run_round(server, source, folder / f"round{number}", arguments, figures)
            shutil.rmtree(folder / f"server{number}", ignore_errors=True)
    report(figures, arguments)


def read_arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=400, help="of the source")
    parser.add_argument("--delay-ms", type=float, default=30, help="of each request")
    parser.add_argument("--rate", type=float, help="of the line each way, MB/s")
    parser.add_argument("--connections", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=None, help="a folder")
    return parser.parse_args()


def make_source(folder: Path, size: int) -> Path:
    """Files of two MiB that cannot be compressed: the line is to be measured."""
    folder.mkdir()
    generator = random.Random(1)
    for number in range(max(1, size // FILE_BYTES)):
        (folder / f"file{number:05}").write_bytes(generator.randbytes(FILE_BYTES))
    return folder


def serve(
    upstream_port: int, delay_s: float, rate: float | None, ports: "Queue[int]"
) -> None:
    """The proxy: the life of its process."""
    ports.put(FaultProxy(upstream_port, delay_s=delay_s, rate=rate).port)
    time.sleep(1e9)


@contextmanager
def far_server(folder: Path, arguments: argparse.Namespace) -> Iterator[Radosgw]:
    """A server with a bucket; its ``port`` is that of the proxy."""
    folder.mkdir()
    line = (arguments.delay_ms / 1000, arguments.rate and arguments.rate * 1e6)
    processes = multiprocessing.get_context("spawn")
    ports: Queue[int] = processes.Queue()
    with own_radosgw(folder) as (_, server):
        server.bucket(BUCKET)
        proxy = processes.Process(
            target=serve, args=(server.port, *line, ports), daemon=True
        )
        proxy.start()
        server.url = f"http://127.0.0.1:{ports.get()}"
        try:
            yield server
        finally:
            proxy.terminate()
            proxy.join()


def run_round(
    server: Radosgw,
    source: Path,
    folder: Path,
    arguments: argparse.Namespace,
    figures: Figures,
) -> None:
    """Everybody once."""
    folder.mkdir()
    run_chunkvault(server, source, folder / "chunkvault", arguments, figures)
    run_boto3(server, stored_sizes(server), arguments.connections, figures)
    run_restic(server, source, folder / "restic", arguments, figures)
    shutil.rmtree(folder)


def run_chunkvault(
    server: Radosgw,
    source: Path,
    folder: Path,
    arguments: argparse.Namespace,
    figures: Figures,
) -> None:
    """A first backup, one with nothing changed, a restore without the cache."""
    variables = {
        "PYTHONPATH": str(PROJECT),
        "CHUNKVAULT_REPOSITORY": server.location(BUCKET, "chunkvault"),
        "CHUNKVAULT_PASSWORD": PASSWORD,
        "CHUNKVAULT_CONNECTIONS": str(arguments.connections),
        "CHUNKVAULT_CACHE_DIR": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "chunkvault"]
    run = runner(server, folder, variables, figures)
    run("", [*command, "init"])
    run("chunkvault backup", [*command, "backup", str(source)])
    run("chunkvault backup, nothing changed", [*command, "backup", str(source)])
    restore = [*command, "restore", "--no-cache", "--to", str(folder / "out")]
    run("chunkvault restore", restore)


def run_restic(
    server: Radosgw,
    source: Path,
    folder: Path,
    arguments: argparse.Namespace,
    figures: Figures,
) -> None:
    """The same by restic."""
    variables = {
        "RESTIC_REPOSITORY": server.location(BUCKET, "restic"),
        "RESTIC_PASSWORD": PASSWORD,
        "RESTIC_CACHE_DIR": str(folder / "cache"),
    }
    command = ["restic", "-o", f"s3.connections={arguments.connections}"]
    run = runner(server, folder, variables, figures)
    run("", [*command, "init"])
    run("restic backup", [*command, "backup", str(source)])
    run("restic backup, nothing changed", [*command, "backup", str(source)])
    restore = ["restore", "latest", "--no-cache", "--target", str(folder / "out")]
    run("restic restore", [*command, *restore])


def runner(
    server: Radosgw, folder: Path, variables: Mapping[str, str], figures: Figures
) -> Callable[[str, list[str]], None]:
    """Runs commands with these variables, and notes their wall time."""
    folder.mkdir()
    environment = {**os.environ, **server.environment, **variables}
    log_path = folder.parent / f"{folder.name}.log"

    def run(name: str, command: list[str]) -> None:
        complaints = log_path.with_suffix(".err")
        with log_path.open("ab") as log:
            cost = measure(command, environment, log, complaints)
        if name:
            note(figures, name, cost.wall_s)
            note(figures, f"{name}, CPU", cost.cpu_s)

    return run


def stored_sizes(server: Radosgw) -> list[int]:
    """How large the objects of the repository are."""
    pages = server.client.get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=BUCKET, Prefix="chunkvault/")
    return [one["Size"] for page in found for one in page["Contents"]]


def run_boto3(
    server: Radosgw, sizes: list[int], connections: int, figures: Figures
) -> None:
    """Put and get objects of these sizes, as many at once as there are connections."""
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="default",
        aws_access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            max_pool_connections=connections,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )
    content = random.Random(2).randbytes(max(sizes))

    def put(number: int) -> None:
        body = content[: sizes[number]]
        client.put_object(Bucket=BUCKET, Key=f"boto3/{number}", Body=body)

    def get(number: int) -> None:
        client.get_object(Bucket=BUCKET, Key=f"boto3/{number}")["Body"].read()

    for name, verb in (("boto3 puts", put), ("boto3 gets", get)):
        began, busy = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(connections) as threads:
            list(threads.map(verb, range(len(sizes))))
        note(figures, name, time.perf_counter() - began)
        note(figures, f"{name}, CPU", time.process_time() - busy)


def note(figures: Figures, name: str, seconds: float) -> None:
    """One more measurement."""
    figures.setdefault(name, []).append(seconds)
    print(f"  {name:40} {seconds:8.2f} s", flush=True)


def report(figures: Figures, arguments: argparse.Namespace) -> None:
    """The medians, and how they stand to the goals."""
    middle = {name: median(times) for name, times in figures.items()}
    rate = f", {arguments.rate:g} MB/s" if arguments.rate else ""
    print(f"\n{arguments.megabytes} MiB, {arguments.delay_ms:g} ms per request{rate},")
    print(f"{arguments.connections} connections, median of {arguments.rounds} rounds\n")
    for name, seconds in middle.items():
        print(f"{name:42} {seconds:8.2f} s")
    print()
    for verb, plain in (("backup", "boto3 puts"), ("restore", "boto3 gets")):
        ours = middle[f"chunkvault {verb}"]
        speed, share = middle[plain] / ours, ours / middle[f"restic {verb}"]
        print(f"{verb}: {speed:.2f} x the speed of {plain} (goal: ≥ {SPEED_GOAL})")
        print(f"{verb}: {share:.2f} x restic's wall time (goal: ≤ {RESTIC_GOAL})")


if __name__ == "__main__":
    main()
