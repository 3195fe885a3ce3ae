"""SFTP's packets: what we write, and what we believe of what comes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.backends import sftp_replies as replies
from chunkvault.backends import sftp_requests as requests
from chunkvault.backends.sftp_replies import (
    Attributes,
    AttributesReply,
    DataReply,
    ExtendedReply,
    HandleReply,
    MalformedPacketError,
    NameEntry,
    NamesReply,
    StatusReply,
)
from chunkvault.backends.sftp_requests import Kind


def string(value):
    return struct.pack(">I", len(value)) + value


def decode(body):
    return replies.decode_reply(memoryview(body))


def reply(kind, *parts):
    return struct.pack(">BI", kind, 7) + b"".join(parts)


def test_requests_are_laid_out_as_in_the_draft():
    assert requests.encode_init() == bytes.fromhex("00000005 01 00000003")
    request = requests.encode_request(Kind.CLOSE, 9, requests.encode_string(b"ab"))
    assert request == bytes.fromhex("0000000b 04 00000009 00000002 6162")
    head = requests.encode_write_head(1, b"h", 2**40, 3)
    expected = "0000001d 06 00000001 00000001 68 0000010000000000 00000003"
    assert head == bytes.fromhex(expected.replace("0000001d", "00000019"))
    assert struct.unpack(">I", head[:4])[0] == len(head) - 4 + 3
    assert requests.encode_attributes(0o600) == bytes.fromhex("00000004 00000180")
    assert requests.encode_attributes() == bytes(4)


def test_replies_of_every_kind_are_read():
    long_name = string(b"-rw")
    attributes = struct.pack(">IQIII", 1 | 4 | 8, 5, 0o100644, 10, 20)
    known = Attributes(size=5, permissions=0o100644, modified_s=20)
    cases = {
        reply(101, struct.pack(">I", 4), string(b"Failure"), string(b"en")): (
            StatusReply(4, "Failure")
        ),
        reply(101, struct.pack(">I", 0)): StatusReply(0, ""),
        reply(102, string(b"\0\1")): HandleReply(b"\0\1"),
        reply(103, string(b"data")): DataReply(b"data"),
        reply(104, struct.pack(">I", 1), string(b"n"), long_name, attributes): (
            NamesReply((NameEntry(b"n", known),))
        ),
        reply(105, attributes): AttributesReply(known),
        reply(105, struct.pack(">IQ", 2, 0)): AttributesReply(Attributes()),
        reply(
            105, struct.pack(">II", 0x80000000, 1), string(b"a"), string(b"b")
        ): AttributesReply(Attributes()),
        reply(201, b"anything"): ExtendedReply(b"anything"),
    }
    for body, expected in cases.items():
        assert decode(body) == (7, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x65",
        reply(101),
        reply(102, struct.pack(">I", 2**32 - 1)),
        reply(102, string(bytes(257))),
        reply(103, struct.pack(">I", 5), b"four"),
        reply(104, struct.pack(">I", 2**32 - 1)),
        reply(104, struct.pack(">I", 2), bytes(12)),
        reply(105, struct.pack(">I", 1)),
        reply(105, struct.pack(">II", 0x80000000, 2**32 - 1)),
        reply(3),
        reply(99),
    ],
)
def test_packets_that_do_not_add_up_are_refused(body):
    with pytest.raises(MalformedPacketError):
        decode(body)


@pytest.mark.parametrize("length", [0, 4, replies.MAX_PACKET_BYTES + 1, 2**32 - 1])
def test_lengths_that_no_packet_has_are_refused(length):
    with pytest.raises(MalformedPacketError):
        replies.decode_length(struct.pack(">I", length))


@pytest.mark.parametrize("length", [5, replies.MAX_PACKET_BYTES])
def test_lengths_that_packets_have_are_taken(length):
    assert replies.decode_length(struct.pack(">I", length)) == length


def test_the_version_brings_the_extensions():
    body = struct.pack(">BI", 2, 3) + string(b"a@b") + string(b"1")
    assert replies.decode_version(memoryview(body)) == {b"a@b": b"1"}


@pytest.mark.parametrize(
    "body", [struct.pack(">BI", 2, 2), struct.pack(">BI", 101, 3), b"\x02\0\0\0\3\0"]
)
def test_another_version_is_refused(body):
    with pytest.raises(MalformedPacketError):
        replies.decode_version(memoryview(body))


def test_limits_and_space_are_read():
    assert replies.decode_limits(struct.pack(">4Q", 1, 2, 3, 4)) == (2, 3, 4)
    assert replies.decode_limits(struct.pack(">3Q", 1, 2, 3)) == (2, 3, 0)
    space = replies.decode_space(struct.pack(">11Q", *range(1, 12)))
    assert space == replies.Space(free_bytes=2 * 5, inodes=6, free_inodes=8)
    for decode_body in (replies.decode_limits, replies.decode_space):
        with pytest.raises(MalformedPacketError):
            decode_body(bytes(23))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_reply_or_malformed(body):
    try:
        number, _ = decode(body)
    except MalformedPacketError:
        return
    assert number == int.from_bytes(body[1:5], "big")


@given(st.sampled_from([101, 102, 103, 104, 105, 201]), st.binary(max_size=80))
def test_any_fields_are_a_reply_or_malformed(kind, fields):
    try:
        decode(reply(kind, fields))
    except MalformedPacketError:
        return
