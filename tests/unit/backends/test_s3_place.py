"""What locations of S3 mean, and which make no sense."""

import subprocess
import sys

import pytest

from chunkvault.backends.options import StorageOptions
from chunkvault.backends.ranges import Extent, parse_content_range, range_header
from chunkvault.backends.s3 import open_location
from chunkvault.backends.s3_place import parse_place
from chunkvault.errors import UsageError


@pytest.mark.parametrize(
    ("location", "endpoint", "bucket", "prefix"),
    [
        ("s3:bucket", "", "bucket", ""),
        ("s3:bucket/", "", "bucket", ""),
        ("s3://bucket/a/b", "", "bucket", "a/b/"),
        ("s3:bucket/a/b/?region=x", "", "bucket", "a/b/"),
        ("s3:bucket/a%20b", "", "bucket", "a b/"),
        ("s3:https://host/bucket/a", "https://host", "bucket", "a/"),
        ("s3:http://host:9000/bucket", "http://host:9000", "bucket", ""),
        ("s3:http://[::1]:9000/bucket", "http://[::1]:9000", "bucket", ""),
    ],
)
def test_a_location_names_server_bucket_and_prefix(location, endpoint, bucket, prefix):
    place = parse_place(location)
    assert (place.endpoint, place.bucket, place.prefix) == (endpoint, bucket, prefix)


def test_amazon_is_trusted_to_heed_conditions_and_to_know_checksums():
    for location in ("s3:bucket", "s3:https://s3.eu-west-1.amazonaws.com/bucket"):
        place = parse_place(location)
        assert place.conditional_put
        assert place.checksums
        assert not place.path_style


def test_other_servers_are_asked_in_the_way_that_all_understand():
    place = parse_place("s3:https://host.amazonaws.com.example/bucket")
    assert not place.conditional_put
    assert not place.checksums
    assert place.path_style


def test_a_server_named_by_the_environment_is_not_taken_for_amazon():
    place = parse_place("s3:bucket/a", {"AWS_ENDPOINT_URL": "https://host"})
    assert place.endpoint == "https://host"
    assert not place.conditional_put
    place = parse_place("s3:https://other/bucket", {"AWS_ENDPOINT_URL": "https://host"})
    assert place.endpoint == "https://other"


def test_options_win_over_what_is_assumed():
    place = parse_place(
        "s3:https://host/bucket?path-style=no&checksums=yes&conditional-put=1"
        "&region=eu-1&profile=work&storage-class=STANDARD_IA"
    )
    assert not place.path_style
    assert place.checksums
    assert place.conditional_put
    assert (place.region, place.profile) == ("eu-1", "work")
    assert place.storage_class == "STANDARD_IA"


@pytest.mark.parametrize(
    "location",
    [
        "s3:",
        "s3:/",
        "s3:https://",
        "s3:https://host",
        "s3:https://host:port/bucket",
        "s3:https://:80/bucket",
        "s3:b",
        "s3:.bucket",
        "s3:buck et",
        "s3:bucket/a//b",
        "s3:bucket/../b",
        "s3:bucket?region=",
        "s3:bucket?region=a&region=b",
        "s3:bucket?regoin=a",
        "s3:bucket?path-style=perhaps",
        "s3:bucket?storage-class=GLACIER",
        "s3:bucket?storage-class=deep_archive",
    ],
)
def test_nonsense_is_refused(location):
    with pytest.raises(UsageError):
        open_location(location, StorageOptions())


def test_keys_in_a_location_are_refused_and_not_repeated():
    with pytest.raises(UsageError) as caught:
        parse_place("s3:https://key:hush@host/bucket")
    assert "hush" not in f"{caught.value}{caught.value.hint}"


def test_opening_a_location_loads_no_sdk():
    code = (
        "import sys; from chunkvault.backends.options import StorageOptions;"
        "from chunkvault.backends.s3 import open_location;"
        "open_location('s3:bucket', StorageOptions());"
        "print([name for name in ('botocore', 'boto3') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_range_is_asked_for_with_its_last_byte():
    assert range_header(0, None) == ""
    assert range_header(5, None) == "bytes=5-"
    assert range_header(5, 3) == "bytes=5-7"


@pytest.mark.parametrize(
    ("text", "extent"),
    [
        ("bytes 5-7/10", Extent(5, 3, 10)),
        ("bytes 5-7/*", Extent(5, 3, None)),
        ("bytes 7-5/10", None),
        ("bytes 5-10/10", None),
        ("bytes */10", None),
        ("lines 5-7/10", None),
        ("bytes 5-7/10 ", None),
        ("", None),
    ],
)
def test_a_content_range_is_read_strictly(text, extent):
    assert parse_content_range(text) == extent


@pytest.mark.parametrize(
    ("extent", "offset", "length", "fits"),
    [
        (Extent(5, 3, 10), 5, 3, True),
        (Extent(5, 3, 10), 5, 4, False),
        (Extent(5, 3, 10), 4, 3, False),
        (Extent(5, 5, 10), 5, 100, True),
        (Extent(5, 5, 10), 5, None, True),
        (Extent(5, 4, 10), 5, None, False),
        (Extent(5, 3, None), 5, 3, True),
        (Extent(5, 3, None), 5, 4, False),
        (Extent(5, 3, None), 5, None, True),
    ],
)
def test_an_extent_answers_only_what_was_asked(extent, offset, length, fits):
    assert extent.answers(offset, length) is fits
