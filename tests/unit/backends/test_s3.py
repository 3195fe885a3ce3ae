"""S3 on a real server, and behind a proxy that answers what others answer."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chunkvault.backends import s3
from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.habits import Habits
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.pace import Pace
from chunkvault.backends.s3 import S3Backend, open_location
from chunkvault.backends.s3_place import parse_place
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectExists,
    ObjectNotFound,
    StorageFull,
    StorageUnreachable,
    UsageError,
)
from tests.support.fake_clock import FakeClock
from tests.support.stores.fault_proxy import fault_proxy
from tests.support.stores.fault_rules import Fault

MIB = 1 << 20


@pytest.fixture
def told():
    return []


@pytest.fixture
def options(radosgw, told):
    return StorageOptions(environment=radosgw.environment, tell=told.append)


@pytest.fixture
def proxy(radosgw):
    with fault_proxy(radosgw.port) as proxy:
        yield proxy


@pytest.fixture
def place(request):
    return request.node.name.replace("[", "-").replace("]", "").replace(" ", "-")


@pytest.fixture
def direct(radosgw, options, place):
    backend = open_location(f"s3:{radosgw.url}/private/{place}", options)
    yield backend
    backend.close()


@pytest.fixture
def proxied(proxy, options, place):
    backend = open_location(f"s3:{proxy.url}/private/{place}", options)
    yield backend
    backend.close()


def xml(code, message=""):
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def test_each_verb_is_as_many_requests_as_it_needs(direct, options):
    requests = options.traffic.requests

    def cost(call):
        before = dict(requests)
        call()
        return {
            kind: count - before.get(kind, 0)
            for kind, count in requests.items()
            if count != before.get(kind, 0)
        }

    assert cost(lambda: direct.put("a", b"content")) == {"get": 1, "put": 1}
    assert cost(lambda: direct.get("a")) == {"get": 1}
    assert cost(lambda: direct.get("a", 2, 3)) == {"get": 1}
    assert cost(lambda: list(direct.list(""))) == {"list": 1}
    assert cost(lambda: direct.delete("a")) == {"delete": 1}
    assert options.traffic.sent_bytes == 7
    assert options.traffic.received_bytes == 10


def test_where_conditions_are_certain_a_put_is_one_request(radosgw, options, place):
    backend = open_location(
        f"s3:{radosgw.url}/private/{place}?conditional-put=yes", options
    )
    backend.put("a", b"content")
    with pytest.raises(ObjectExists):
        backend.put("a", b"another")
    assert options.traffic.requests == {"put": 2}
    assert backend.get("a") == b"content"
    backend.close()


def test_a_server_without_conditions_is_asked_beforehand(proxy, options, place):
    proxy.add(Fault(status=501, body=xml("NotImplemented")), method="PUT", times=1)
    backend = open_location(
        f"s3:{proxy.url}/private/{place}?conditional-put=yes", options
    )
    backend.put("a", b"content")
    with pytest.raises(ObjectExists):
        backend.put("a", b"another")
    assert backend.get("a") == b"content"
    backend.close()


def test_a_server_that_heeds_conditions_is_found_out_once(radosgw, options, place):
    habits = Habits()
    learning = replace(options, habits=habits)
    backend = open_location(f"s3:{radosgw.url}/private/{place}", learning)
    backend.put("large", bytes(MIB))
    assert options.traffic.requests == {"get": 1, "put": 1}
    assert not habits.is_changed
    backend.put("a", b"content")  # asked before, put, and put once more
    assert options.traffic.requests == {"get": 2, "put": 3}
    backend.put("b", b"content")
    with pytest.raises(ObjectExists):
        backend.put("b", b"another")
    assert options.traffic.requests == {"get": 2, "put": 5}
    backend.close()
    known = Habits.from_text(habits.to_text())
    again = open_location(
        f"s3:{radosgw.url}/private/{place}", replace(options, habits=known)
    )
    again.put("c", b"content")
    assert options.traffic.requests == {"get": 2, "put": 6}
    assert [again.get(name) for name in "abc"] == 3 * [b"content"]
    again.close()


def test_a_server_that_ignores_conditions_is_asked_beforehand_for_ever(
    proxy, options, place
):
    habits = Habits()
    learning = replace(options, habits=habits)
    backend = open_location(f"s3:{proxy.url}/private/{place}", learning)
    proxy.add(Fault(status=200), method="PUT", first=2)
    backend.put("a", b"content")
    assert habits.is_changed
    assert options.traffic.requests == {"get": 1, "put": 2}
    backend.put("b", b"content")
    assert options.traffic.requests == {"get": 2, "put": 3}
    with pytest.raises(ObjectExists):
        backend.put("b", b"another")
    assert backend.get("b") == b"content"
    backend.close()


def test_a_trial_that_fails_says_nothing_and_harms_nothing(proxy, options, place):
    habits = Habits()
    learning = replace(options, habits=habits)
    backend = open_location(f"s3:{proxy.url}/private/{place}", learning)
    proxy.add(Fault(status=503), method="PUT", first=2)
    backend.put("a", b"content")
    backend.put("b", b"content")
    assert not habits.is_changed
    assert options.traffic.requests == {"get": 2, "put": 3}
    backend.close()


def test_what_was_found_out_survives_as_text():
    habits = Habits({"bucket a at Amazon S3": True, "bucket b at http://nas:1": False})
    text = habits.to_text()
    again = Habits.from_text(f"{text}nonsense\nheeds \n\n")
    assert again.to_text() == text
    assert again.heeds_conditions("bucket b at http://nas:1") is False
    assert again.heeds_conditions("bucket c") is None


def test_a_listing_goes_on_behind_a_name(direct, options):
    for name in ("a/1", "a/2", "a/3", "b"):
        direct.put(name, b"")
    assert [info.name for info in direct.list_after("a/", "a/1")] == ["a/2", "a/3"]


def test_foreign_keys_are_not_listed(radosgw, direct, place):
    for name in ("a b", "a//b", "../c", "", ".hidden"):
        radosgw.client.put_object(Bucket="private", Key=f"{place}/{name}", Body=b"")
    direct.put("a", b"")
    assert list(direct.list("")) == [ObjectInfo("a", 0)]


def test_an_object_over_the_limit_goes_in_parts_and_stays_create_only(
    direct, options, radosgw, place
):
    data = memoryview(bytearray(os.urandom(MIB) * 65))
    direct.put("large", data)
    assert options.traffic.requests["put"] == 1 + 5 + 1
    assert direct.get("large") == data
    with pytest.raises(ObjectExists):
        direct.put("large", data)
    assert uploads(radosgw, place) == []


def uploads(radosgw, place):
    page = radosgw.client.list_multipart_uploads(Bucket="private", Prefix=place)
    return page.get("Uploads", [])


def test_a_part_that_fails_leaves_nothing_behind(proxy, proxied, radosgw, place):
    proxy.add(Fault(status=503, body=xml("SlowDown")), path="partNumber=3")
    with pytest.raises(StorageUnreachable):
        proxied.put("large", bytes(65 * MIB))
    assert uploads(radosgw, place) == []
    assert list(proxied.list("")) == []


def test_an_upload_that_was_taken_for_abandoned_is_begun_again(proxy, proxied, radosgw):
    gone = Fault(status=404, body=xml("NoSuchUpload"))
    proxy.add(gone, path="partNumber=2")
    with pytest.raises(StorageUnreachable, match="NoSuchUpload"):
        proxied.put("large", bytes(65 * MIB))
    proxied.put("large", bytes(65 * MIB))
    assert [info.size for info in proxied.list("")] == [65 * MIB]


def test_a_deletion_among_versions_says_once_what_stays(radosgw, options, told, place):
    backend = open_location(f"s3:{radosgw.url}/contract-with-versions/{place}", options)
    for name in ("a", "b"):
        backend.put(name, b"content")
        backend.delete(name)
    assert list(backend.list("")) == []
    assert len(told) == 1
    assert "versions" in told[0]
    backend.put("a", b"again")
    assert backend.get("a") == b"again"
    backend.close()


@pytest.fixture
def locked(radosgw):
    bucket = radosgw.bucket("locked", lock=True)
    radosgw.client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    return bucket


def test_a_bucket_with_object_lock_keeps_what_is_deleted(
    radosgw, options, locked, place
):
    backend = open_location(f"s3:{radosgw.url}/{locked}/{place}", options)
    backend.put("a", b"content")
    backend.delete("a")
    with pytest.raises(ObjectNotFound):
        backend.get("a")
    versions = radosgw.client.list_object_versions(Bucket=locked, Prefix=f"{place}/")
    assert [version["Size"] for version in versions["Versions"]] == [7]
    backend.close()


@pytest.mark.parametrize("query", ["", "?checksums=yes"])
@pytest.mark.parametrize("is_secret", [False, True])
def test_uploads_carry_one_checksum_and_keep_the_pace(
    radosgw, place, query, is_secret, monkeypatch
):
    monkeypatch.setattr(s3, "_SINGLE_PUT_BYTES", 2 * MIB)
    clock = FakeClock()
    began_s = clock.now_s()
    trust = {"AWS_CA_BUNDLE": radosgw.certificate}
    options = StorageOptions(
        environment=radosgw.environment | trust, upload_pace=Pace(MIB, clock)
    )
    url = radosgw.tls_url if is_secret else radosgw.url
    location = f"s3:{url}/private/{place.replace('?', '-')}{query}"
    backend = open_location(location, options)
    data = memoryview(os.urandom(MIB) * 3)
    backend.put("whole", data[: 2 * MIB])
    backend.put("parts", data)
    assert backend.get("whole") == data[: 2 * MIB]
    assert backend.get("parts") == data
    assert clock.now_s() - began_s == pytest.approx(5, abs=0.3)
    backend.close()


def test_a_server_refuses_what_is_not_what_was_sent(direct, monkeypatch):
    wrong = {"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}  # of nothing
    monkeypatch.setattr(s3, "checksum_arguments", lambda *_, **__: wrong)
    with pytest.raises(BackendError, match="BadDigest"):
        direct.put("a", b"content")
    assert list(direct.list("")) == []


def test_what_may_not_be_deleted_is_told(proxied, proxy):
    proxy.add(
        Fault(status=403, body=xml("AccessDenied", "forbidden by object lock")),
        method="DELETE",
    )
    with pytest.raises(AccessDenied, match="could not delete a") as caught:
        proxied.delete("a")
    assert "object lock" in caught.value.hint


def test_a_server_that_ignores_ranges_is_understood(proxied, proxy):
    proxied.put("a", b"0123456789")
    whole = Fault(status=200, body=b"0123456789", etag='"tag"')
    proxy.add(whole, method="GET", times=None)
    assert proxied.get("a", 3, 4) == b"3456"
    assert proxied.get("a", 3) == b"3456789"
    assert proxied.get("a", 8, 5) == b"89"
    assert proxied.get("a", 0, 0) == b""


def test_an_answer_of_200_that_is_no_object_is_not_taken_for_one(proxied, proxy):
    """A login page in between, or an error that is sent as a success."""
    page = Fault(status=200, body=xml("InternalError"))
    proxy.add(page, method="GET", times=2)
    with pytest.raises(StorageUnreachable, match="no object"):
        proxied.put("a", b"content")
    with pytest.raises(StorageUnreachable, match="no object"):
        proxied.get("a")
    proxied.put("a", b"content")


@pytest.mark.parametrize("fault", [{"cut_at": 1000}, {"reset_at": 1000}])
@pytest.mark.parametrize("asked", [(0, None), (10, 5000)])
def test_a_body_that_breaks_off_is_never_taken_for_whole(proxied, proxy, fault, asked):
    proxied.put("a", bytes(100_000))
    proxy.add(Fault(**fault), method="GET")
    with pytest.raises(StorageUnreachable, match="could not read a"):
        proxied.get("a", *asked)


@pytest.mark.parametrize(
    ("status", "code", "error", "says"),
    [
        (400, "ExpiredToken", AccessDenied, "expired"),
        (403, "RequestTimeTooSkewed", AccessDenied, "clock"),
        (403, "InvalidObjectState", AccessDenied, "archive"),
        (403, "QuotaExceeded", StorageFull, "QuotaExceeded"),
        (507, "InsufficientStorage", StorageFull, "InsufficientStorage"),
        (400, "AuthorizationHeaderMalformed", BackendError, "another region"),
        (429, "TooManyRequests", StorageUnreachable, "TooManyRequests"),
        (500, "InternalError", StorageUnreachable, "InternalError"),
        (503, "SlowDown", StorageUnreachable, "SlowDown"),
        (400, "RequestTimeout", StorageUnreachable, "RequestTimeout"),
        (418, "Teapot", BackendError, "Teapot"),
    ],
)
def test_refusals_are_told_by_their_kind(proxied, proxy, status, code, error, says):
    proxy.add(Fault(status=status, body=xml(code), retry_after="7"), times=None)
    for call in (
        lambda: proxied.put("a", b""),
        lambda: proxied.get("a"),
        lambda: list(proxied.list("")),
        lambda: proxied.delete("a"),
    ):
        with pytest.raises(error, match=says) as caught:
            call()
        assert type(caught.value) is error
        if error is StorageUnreachable:
            assert caught.value.retry_after_s == 7


def test_every_verb_is_one_attempt(proxied, proxy):
    proxy.add(Fault(status=503, body=xml("SlowDown")))
    with pytest.raises(StorageUnreachable):
        proxied.get("a")
    assert len(proxy.requests) == 1


def test_a_connection_that_breaks_is_unreachable(proxied, proxy):
    proxy.add(Fault(reset_before=True))
    with pytest.raises(StorageUnreachable, match="the connection broke"):
        proxied.get("a")


def test_a_wrong_clock_is_named(direct, monkeypatch):
    wrong = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=2)
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda remove_tzinfo=True: wrong
    )
    with pytest.raises(AccessDenied, match="clock"):
        direct.get("a")


def test_a_listing_without_end_is_not_followed(proxied, proxy):
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>same</NextContinuationToken></ListBucketResult>"
    )
    proxy.add(Fault(status=200, body=page), times=None)
    with pytest.raises(StorageUnreachable, match="end"):
        list(proxied.list(""))


def test_without_credentials_the_variables_are_named(radosgw, monkeypatch, tmp_path):
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = StorageOptions(
        environment={
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
        }
    )
    backend = open_location(f"s3:{radosgw.url}/private/x", options)
    with pytest.raises(AccessDenied, match="no usable credentials") as caught:
        backend.get("a")
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_a_bucket_in_another_region_is_found_where_the_server_says_so(proxied, proxy):
    body = (
        b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting"
        b" 'eu-central-1'</Message><Region>eu-central-1</Region></Error>"
    )
    proxy.add(Fault(status=400, body=body), times=1)
    proxied.put("a", b"content")
    assert proxied.get("a") == b"content"
    assert proxy.count("PUT") == 1  # what was looked for first found the way


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=301),
        Fault(status=307, body=xml("TemporaryRedirect")),
        Fault(status=301, body=xml("PermanentRedirect")),
        Fault(status=400, body=xml("AuthorizationHeaderMalformed")),
    ],
    ids=str,
)
def test_a_server_that_leads_elsewhere_is_not_followed_for_ever(proxied, proxy, fault):
    proxy.add(fault, times=None)
    with pytest.raises(BackendError, match="another region") as caught:
        proxied.put("a", b"content")
    assert "region=" in caught.value.hint
    assert len(proxy.requests) <= 2


def test_a_sign_in_that_has_expired_is_told(radosgw, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))  # where the SDK keeps what it was given
    (tmp_path / "config").write_text(
        "[profile work]\nsso_session = work\nsso_account_id = 123456789012\n"
        "sso_role_name = backup\n[sso-session work]\nsso_region = us-east-1\n"
        "sso_start_url = https://example.invalid/start\n"
    )
    options = StorageOptions(environment={"AWS_CONFIG_FILE": str(tmp_path / "config")})
    backend = open_location(f"s3:{radosgw.url}/private/x?profile=work", options)
    with pytest.raises(AccessDenied, match="has expired") as caught:
        backend.get("a")
    assert "aws sso login" in caught.value.hint


def test_what_lies_in_an_archive_is_told_with_what_to_do(direct, proxied, proxy):
    direct.put("a", b"content")
    body = xml("InvalidObjectState", "not valid for the object's storage class")
    proxy.add(Fault(status=403, body=body), times=None)
    with pytest.raises(AccessDenied, match="lies in an archive") as caught:
        proxied.get("a")
    assert "restore it there first" in caught.value.hint


def test_a_profile_gives_the_credentials(radosgw, tmp_path, place):
    file = tmp_path / "credentials"
    keys = radosgw.environment
    file.write_text(
        f"[work]\naws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
    )
    environment = {
        "AWS_SHARED_CREDENTIALS_FILE": str(file),
        "AWS_ACCESS_KEY_ID": "of-somebody-else",
        "AWS_SECRET_ACCESS_KEY": "wrong",
    }
    location = f"s3:{radosgw.url}/private/{place}?profile="
    backend = open_location(f"{location}work", StorageOptions(environment=environment))
    backend.put("a", b"content")
    assert backend.get("a") == b"content"
    absent = open_location(f"{location}play", StorageOptions(environment=environment))
    with pytest.raises(UsageError, match="play"):
        absent.get("a")


def test_large_objects_get_the_storage_class_and_small_ones_do_not(options):
    place = parse_place("s3:bucket?storage-class=STANDARD_IA")
    backend = S3Backend(place, options)
    assert backend._class_arguments(16 * MIB) == {"StorageClass": "STANDARD_IA"}
    assert backend._class_arguments(1000) == {}


def test_what_is_sent_and_received_keeps_the_pace(radosgw, place):
    clock = FakeClock()
    options = StorageOptions(
        environment=radosgw.environment,
        upload_pace=Pace(MIB, clock),
        download_pace=Pace(2 * MIB, clock),
    )
    backend = open_location(f"s3:{radosgw.url}/private/{place}", options)
    start = clock.now_s()
    backend.put("a", bytes(4 * MIB))
    assert clock.now_s() - start == pytest.approx(4, abs=0.5)
    start = clock.now_s()
    assert len(backend.get("a")) == 4 * MIB
    assert clock.now_s() - start == pytest.approx(2, abs=0.5)
