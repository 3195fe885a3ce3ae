"""Requests and their price, as a line and as JSON."""

import io

import pytest

from chunkvault.cli.context import Context
from chunkvault.cli.output import Output
from chunkvault.cli.settings import SecretSource, Settings
from chunkvault.cli.traffic import request_fields, request_lines

AMAZON = "s3:bucket?region=us-east-1"


def context(repository):
    settings = Settings(
        repository=repository, secret=SecretSource("terminal"), cache_directory=None
    )
    return Context(settings, Output(io.StringIO()))


def test_a_folder_has_no_requests():
    folder = context("/mnt/backup")
    assert request_lines(folder) == []
    fields = request_fields(folder)
    assert fields["put"] == fields["sent_bytes"] == 0
    assert fields["estimate"] is None


def test_requests_are_named_by_kind_with_bytes_both_ways():
    far = context("sftp:host:path")
    far.storage.traffic.count("put", sent=3 << 20)
    far.storage.traffic.count("put", sent=1 << 20)
    far.storage.traffic.count("list", received=1024)
    assert request_lines(far) == [
        "requests  2 put, 1 list; 4.0 MiB sent, 1.0 KiB received"
    ]
    fields = request_fields(far)
    assert (fields["put"], fields["list"], fields["get"]) == (2, 1, 0)
    assert (fields["sent_bytes"], fields["received_bytes"]) == (4 << 20, 1024)
    assert fields["estimate"] is None


def test_requests_to_stores_of_different_prices_have_no_estimate():
    far = context(AMAZON)
    far.stores |= {AMAZON, "b2:bucket"}
    far.storage.traffic.count("put")
    assert request_fields(far)["estimate"] is None


def test_requests_of_a_local_repository_are_those_of_the_archive():
    near = context("/mnt/backup")
    near.stores.add(AMAZON)
    near.storage.traffic.count("put")
    assert request_fields(near)["estimate"]["store"].startswith("Amazon")


def test_a_price_that_is_known_is_an_estimate_with_its_date():
    far = context(AMAZON)
    for _ in range(1000):
        far.storage.traffic.count("put")
    far.storage.traffic.count("head")
    [line] = request_lines(far)
    assert "0.0050 USD for requests without head (estimate, prices of Amazon" in line
    assert "as of 2025-10-28" in line
    estimate = request_fields(far)["estimate"]
    assert estimate["usd"] == pytest.approx(0.005)
    assert estimate["unpriced"] == ["head"]
    assert estimate["source"]
