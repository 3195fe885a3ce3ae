"""What requests cost, and when nothing is said about it."""

import pytest

from chunkvault.backends.prices import estimate_cost, find_prices

EAST = {"AWS_DEFAULT_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("location", "environment", "store"),
    [
        ("s3:bucket/path", EAST, "Amazon"),
        ("s3:bucket?region=us-east-1", {}, "Amazon"),
        ("s3://bucket/prefix?region=us-east-1", {}, "Amazon"),
        ("s3:https://s3.us-east-1.amazonaws.com/bucket", {}, "Amazon"),
        ("s3:bucket", {}, None),
        ("s3:bucket?region=eu-central-1", EAST, None),
        ("s3:bucket?storage-class=GLACIER", EAST, None),
        ("s3:bucket", {**EAST, "AWS_ENDPOINT_URL": "http://127.0.0.1:7480"}, None),
        ("s3:http://127.0.0.1:7480/bucket", EAST, None),
        ("s3:https://amazonaws.com.example.org/bucket", EAST, None),
        ("s3:https://x.r2.cloudflarestorage.com/bucket", {}, "Cloudflare"),
        ("s3:https://s3.us-west-004.backblazeb2.com/bucket", {}, "Backblaze"),
        ("b2:bucket:path", {}, "Backblaze"),
        ("sftp:host:path", EAST, None),
        ("/mnt/backup", EAST, None),
    ],
)
def test_prices_are_those_of_the_store_or_none(location, environment, store):
    prices = find_prices(location, environment)
    if store is None:
        assert prices is None
    else:
        assert prices.store.startswith(store)
        assert prices.as_of
        assert prices.source


def test_requests_are_priced_by_kind_and_unknown_ones_are_named():
    prices = find_prices("s3:bucket", EAST)
    estimate = estimate_cost({"put": 1000, "get": 10_000, "delete": 0}, prices)
    assert estimate.usd == pytest.approx(0.005 + 0.004)
    assert estimate.unpriced == ()
    estimate = estimate_cost({"list": 2, "other": 7, "head": 1}, prices)
    assert estimate.usd == pytest.approx(0.00001)
    assert estimate.unpriced == ("head", "other")
