"""``prune`` on stores over a line: uploads, keys that may not delete, requests."""

import os
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.cli.test_stores import create, machine, run
from tests.support.builders import noise, write_tree
from tests.support.stores.fault_proxy import fault_proxy
from tests.support.stores.fault_rules import Fault
from tests.support.stores.static_web import write_listing

NAME = "chunks/ab/" + "ab" * 32
PART = "parts/" + "cd" * 32


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", {"a": noise(100_000)})


def days_later(days):
    moment = datetime.now(UTC) + timedelta(days=days)
    return Fault(date=format_datetime(moment, usegmt=True))


def test_on_s3_uploads_and_parts_go_when_the_store_says_that_they_are_old(
    radosgw, source, tmp_path
):
    prefix = str(tmp_path).strip("/")
    with fault_proxy(radosgw.port) as proxy:
        location = f"s3:{proxy.url}/private/{prefix}"
        program = create(tmp_path / "home", (location, radosgw.environment))
        run(program, "backup", source)
        key = {"Bucket": "private", "Key": f"{prefix}/{NAME}"}
        upload = radosgw.client.create_multipart_upload(**key)["UploadId"]
        radosgw.client.upload_part(**key, UploadId=upload, PartNumber=1, Body=b"12345")
        radosgw.client.put_object(Bucket="private", Key=f"{prefix}/{PART}", Body=b"1")
        young = program.json("prune", "-q")
        assert young["left"]["uploads"] == {"number": 1, "stored_bytes": 5}
        assert young["left"]["parts"] == {"number": 1, "stored_bytes": 1}
        assert young["requests"]["list"] >= 4
        proxy.add(days_later(2), times=None)
        old = program.json("prune", "-q")
        assert old["removed"]["uploads"] == {"number": 1, "stored_bytes": 5}
        assert old["removed"]["parts"] == {"number": 1, "stored_bytes": 1}
        assert old["requests"]["delete"] == 2
        found = radosgw.client.list_multipart_uploads(Bucket="private", Prefix=prefix)
        assert not found.get("Uploads")
        run(program, "check", "--read-data")


def test_a_key_that_may_not_delete_is_told_what_that_means(b2, source, tmp_path):
    b2.bucket("contract")
    place = str(tmp_path).strip("/")
    with fault_proxy(b2.port) as proxy:
        master = {**b2.master_key(), "B2_ENVIRONMENT": proxy.url}
        store = f"b2:contract/{place}", master
        program = create(tmp_path / "home", store)
        run(program, "backup", source)
        b2.fill(tmp_path, [PART])
        may = b2.key(("listBuckets", "listFiles", "readFiles", "writeFiles"))
        program.environment |= may | {"B2_ENVIRONMENT": proxy.url}
        run(program, "backup", source)  # it may do that, and leaves a replaced run
        proxy.add(days_later(2), times=None)
        done = program.run("prune")
        assert done.returncode == 1
        assert re.search("could not delete (index|parts)/", done.stderr)
        assert "prune needs a key that may delete" in done.stderr
        assert program.run("prune", "--dry-run").returncode == 0


def test_on_a_server_old_temporary_files_go(sshd, source, tmp_path):

    store = sshd.location(tmp_path / "far"), {}
    program = create(tmp_path / "home", store)
    run(program, "backup", source)
    old = tmp_path / "far/chunks/.tmp-0123456789abcdef"
    old.write_bytes(b"12345")
    now_s = (tmp_path / "far/config").stat().st_mtime
    os.utime(old, (now_s - 10**6, now_s - 10**6))
    assert program.json("prune", "-q")["removed"]["files"]["stored_bytes"] == 5
    assert not old.exists()


def test_through_rclone_it_says_that_nothing_is_certain(rclone, source, tmp_path):
    environment = {"RCLONE_CONFIG": rclone.environment["RCLONE_CONFIG"]}
    program = create(
        tmp_path / "home", (rclone.location("disk", tmp_path / "far"), environment)
    )
    done = run(program, "prune")
    assert "note" in done.stdout
    assert "nothing can be removed for certain" in done.stdout


def test_a_copy_on_a_web_server_is_refused(web, source, tmp_path):

    program = create(tmp_path / "home", (str(tmp_path / "repository"), {}))
    run(program, "backup", source)
    write_listing(tmp_path / "repository")
    location = web.location(tmp_path / "repository")
    other = machine(tmp_path / "other", (location, {}), tmp_path / "home/device.key")
    done = other.run("prune")
    assert done.returncode == 1
    assert "only read from" in done.stderr
