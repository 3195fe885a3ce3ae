"""Ceph's S3 server: one monitor, one OSD that keeps all in memory, one gateway.

It checks signatures, and knows versions, object lock and conditional puts. What is
set here that is not obvious was found the hard way, see `_CONFIGURATION`.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import pytest

from chunkvault.backends.base import Backend
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.s3 import open_location
from tests.support.stores.ports import free_port, wait_for_port
from tests.support.stores.shared import (
    run_folder,
    serve_until_unused,
    shared_server,
)

__all__ = ["Cluster", "Radosgw", "own_radosgw", "shared_radosgw"]

ACCESS_KEY = "chunkvault-test-key"
SECRET_KEY = "chunkvault-test-secret"
FULL_KEY = "chunkvault-full-key"
"""Of an account whose quota is used up; it may do nothing in others' buckets."""

BUCKETS = {"private": False, "contract": False, "contract-with-versions": True}
"""Those that are there from the beginning; whether they keep versions."""

_CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# With authentication off the default, "secure", waits for ever.
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
mon data = {folder}/mon
osd data = {folder}/osd
osd journal =
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
log to stderr = false
mon data avail crit = 1
# The monitor gathers changes for a second by default: 13 s until all is up.
paxos propose interval = 0.05
paxos min wait = 0.01
mon osd full ratio = 0.99
osd failsafe full ratio = 0.99
[client.rgw]
# Without tcp_nodelay a small answer takes 48 ms.
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1 \
ssl_endpoint=127.0.0.1:{tls_port} ssl_certificate={folder}/tls.pem
# What is deleted would occupy memory for two hours.
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
rgw thread pool size = 64
rgw enable usage log = false
rgw lc debug interval = 10
rgw crypt require ssl = false
"""


class Radosgw:
    """How to reach a running server, and what tests set up on it.

    Attributes:
        url: over http.
        tls_url: over https, with the certificate at ``certificate``.
        environment: variables with the credentials.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.port: int = description["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.tls_url = f"https://127.0.0.1:{description['tls_port']}"
        self.certificate: str = description["certificate"]
        self.environment = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        self.full_key = FULL_KEY
        self.client = self.client_of(ACCESS_KEY)
        for name, versioned in BUCKETS.items():
            self.bucket(name, versioned=versioned)

    def client_of(self, access_key: str) -> Any:
        """What tests talk to the server with, besides the backend."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="default",
            aws_access_key_id=access_key,
            aws_secret_access_key=SECRET_KEY,
            config=botocore.config.Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )

    def bucket(self, name: str, *, versioned: bool = False, lock: bool = False) -> str:
        """Make a bucket unless it is there; its name."""
        # Made again it is fine, unless `fill` has changed its settings.
        with suppress(self.client.exceptions.BucketAlreadyExists):
            self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if versioned:
            self.client.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        return name

    def open(
        self,
        path: Path,
        *,
        bucket: str = "private",
        url: str = "",
        key: str = ACCESS_KEY,
        secret: str = SECRET_KEY,
        trust: bool = False,
    ) -> Backend:
        """A backend in a bucket, below a test's own path.

        Args:
            path: whose name becomes the prefix.
            bucket: its name.
            url: of the server, if it is not to be spoken to over http.
            key: of an account.
            secret: that belongs to the key, or not.
            trust: in this server's certificate.
        """
        prefix = str(path).strip("/")
        environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        if trust:
            environment["AWS_CA_BUNDLE"] = self.certificate
        return open_location(
            f"s3:{url or self.url}/{bucket}/{prefix}",
            StorageOptions(environment=environment),
        )

    def open_full(self, path: Path) -> Backend:
        """A backend in a bucket of an account whose quota is used up."""
        self.client_of(FULL_KEY).create_bucket(Bucket="full")
        return self.open(path, bucket="full", key=FULL_KEY)

    def fill(self, bucket: str, path: Path, names: Iterable[str]) -> None:
        """Put empty objects: without signatures, which take most of the time."""
        self.client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        keys = [f"/{bucket}{path}/{name}" for name in names]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._put_empty, (keys[start::4] for start in range(4))))

    def _put_empty(self, keys: Iterable[str]) -> None:
        connection = HTTPConnection("127.0.0.1", self.port)
        with closing(connection):
            for key in keys:
                connection.request("PUT", key, headers={"Content-Length": "0"})
                answer = connection.getresponse()
                assert answer.status == 200, answer.read()
                answer.read()

    def location(self, bucket: str, prefix: str = "", **parameters: str) -> str:
        """What a user writes for a place on this server."""
        query = "&".join(f"{key}={value}" for key, value in parameters.items())
        place = "/".join(filter(None, (self.url, bucket, prefix)))
        return f"s3:{place}" + (f"?{query}" if query else "")


class Cluster:
    """The processes; they end with the process that started them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {
            "mon_port": free_port(),
            "port": free_port(),
            "tls_port": free_port(),
        }
        self._environment = {
            **os.environ,
            "CEPH_CONF": f"{folder}/ceph.conf",
            "CEPH_ARGS": f"-c {folder}/ceph.conf",
        }
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> dict[str, Any]:
        """Start all of it, about two seconds; what `Radosgw` takes."""
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        self._write_configuration(fsid)
        self._start_monitor(fsid)
        self._run("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-f", "-i", "0", "--osd-uuid", osd)
        self.start_gateway()
        self._create_user("test", ACCESS_KEY)
        self._create_user("full", FULL_KEY)
        quota = ("--quota-scope=user", "--uid=full")
        self._run("radosgw-admin", "quota", "set", *quota, "--max-objects=0")
        self._run("radosgw-admin", "quota", "enable", *quota)
        return {**self._ports, "certificate": f"{self._folder}/tls.pem"}

    def start_gateway(self) -> None:
        """Start what speaks S3; what was stored before is there."""
        self._gateway = self._spawn("radosgw", "-f", "-n", "client.rgw")
        wait_for_port(self._ports["port"])

    def kill_gateway(self) -> None:
        """Every connection breaks, and nobody listens any more."""
        self._daemons.remove(self._gateway)
        _end(self._gateway)

    def stop(self) -> None:
        """End all processes. The gateway goes first: it would wait for its OSD."""
        while self._daemons:
            _end(self._daemons.pop())

    def _write_configuration(self, fsid: str) -> None:
        for name in ("mon", "osd", "run", "log"):
            # of a cluster that did not start, or whose users were all gone
            shutil.rmtree(self._folder / name, ignore_errors=True)
            (self._folder / name).mkdir(parents=True)
        text = _CONFIGURATION.format(folder=self._folder, fsid=fsid, **self._ports)
        (self._folder / "ceph.conf").write_text(text)
        certificate = f"{self._folder}/tls.pem"
        self._run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", certificate, "-out", f"{certificate}.crt"),
        )
        with open(certificate, "ab") as both:
            both.write(Path(f"{certificate}.crt").read_bytes())

    def _create_user(self, name: str, key: str) -> None:
        self._run(
            *("radosgw-admin", "user", "create", f"--uid={name}"),
            *(f"--display-name={name}", f"--access-key={key}"),
            f"--secret-key={SECRET_KEY}",
        )

    def _start_monitor(self, fsid: str) -> None:
        address = f"[v2:127.0.0.1:{self._ports['mon_port']}]"
        monmap = f"{self._folder}/monmap"
        self._run(
            *("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        )
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap)
        self._spawn("ceph-mon", "-f", "-i", "a")

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

    def _spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._daemons.append(daemon)
        return daemon


@contextmanager
def shared_radosgw(factory: pytest.TempPathFactory) -> Iterator[Radosgw]:
    """The server of this test run."""
    folder = run_folder(factory) / "radosgw"
    with shared_server("tests.support.stores.radosgw", folder) as description:
        yield Radosgw(description)


@contextmanager
def own_radosgw(folder: Path) -> Iterator[tuple[Cluster, Radosgw]]:
    """A server for one test, which may kill it."""
    cluster = Cluster(folder)
    try:
        yield cluster, Radosgw(cluster.start())
    finally:
        cluster.stop()


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    """Nothing is lost with what lies in memory, so nobody is asked to finish."""
    daemon.kill()
    daemon.wait()


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    _cluster = Cluster(_folder / "cluster")
    serve_until_unused(_folder, _cluster.start, _cluster.stop)
