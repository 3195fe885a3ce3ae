"""One SFTP connection, to servers that do not keep to the protocol."""

import os
import struct

import pytest

from chunkvault.backends.sftp_client import SftpClient, StatusError
from chunkvault.backends.sftp_files import read_file
from chunkvault.backends.sftp_listing import list_folders
from chunkvault.backends.sftp_requests import Kind, encode_string
from chunkvault.backends.ssh_channel import SshChannel
from chunkvault.backends.traffic import Traffic
from chunkvault.errors import BackendError, StorageUnreachable, UsageError
from tests.support.hostile_sftp import LIMITLESS, STALL, command, frame

VERSION = frame(LIMITLESS)
STORE = "sftp://host/path"


def string(value):
    return struct.pack(">I", len(value)) + value


def answer(kind, *parts, number=b"IDID"):
    return frame(bytes([kind]) + number + b"".join(parts))


def status(code, message=b""):
    return answer(101, struct.pack(">I", code), string(message), string(b""))


HANDLE = answer(102, string(b"h"))
REGULAR = answer(105, struct.pack(">IQI", 1 | 4, 10, 0o100600))


@pytest.fixture
def connect():
    clients = []

    def start(*answers, stall_s=30.0):
        channel = SshChannel(command(*answers), dict(os.environ), STORE)
        clients.append(SftpClient(channel, Traffic()))
        channel.stall_s = stall_s  # a busy machine may take longer to start the server
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def look(client):
    return client.wait(client.ask(Kind.LSTAT, encode_string(b"name")))


@pytest.mark.parametrize(
    "first",
    [
        b"Welcome to this server!\n",
        frame(struct.pack(">BI", 2, 6)),
        struct.pack(">I", 2**31),
        bytes(4),
        status(0),
    ],
)
def test_a_greeting_that_is_no_version_is_refused(connect, first):
    with pytest.raises(BackendError, match="does not keep to the SFTP protocol"):
        connect(first)


@pytest.mark.parametrize(
    "bad",
    [
        struct.pack(">I", 2**32 - 1),
        answer(105, struct.pack(">I", 1)),
        answer(99),
        answer(101, number=b"\0\0\0\x63"),
        answer(104, struct.pack(">I", 2**32 - 1)),
    ],
)
def test_a_bad_packet_ends_the_connection(connect, bad):
    client = connect(VERSION, bad)
    with pytest.raises(BackendError, match="does not keep to the SFTP protocol"):
        look(client)
    assert not client.end_turn()


def test_an_answer_that_comes_twice_is_refused(connect):
    client = connect(VERSION, status(0) + status(0))
    with pytest.raises(BackendError, match="does not keep to the SFTP protocol"):
        look(client)
    assert not client.end_turn()


def test_a_status_is_an_answer_and_the_connection_stays(connect):
    client = connect(VERSION, status(2, b"gone"), REGULAR)
    with pytest.raises(StatusError) as caught:
        look(client)
    assert (caught.value.code, caught.value.message) == (2, "gone")
    assert client.end_turn()
    assert look(client).attributes.size == 10


def test_a_server_that_hangs_up_is_unreachable_and_its_words_are_told(connect):
    client = connect(VERSION)
    with pytest.raises(StorageUnreachable, match="that was all"):
        look(client)
    assert not client.end_turn()
    assert not client.is_alive()


def test_a_server_that_stalls_is_unreachable(connect):
    client = connect(VERSION, STALL, stall_s=0.2)
    with pytest.raises(StorageUnreachable, match="has not answered"):
        look(client)
    assert not client.end_turn()


def test_more_data_than_were_asked_for_are_refused(connect):
    client = connect(VERSION, REGULAR, HANDLE, answer(103, string(bytes(11))))
    with pytest.raises(BackendError, match="not the data that were asked for"):
        read_file(client, b"name", 0, None)


def test_no_data_are_refused(connect):
    client = connect(VERSION, REGULAR, HANDLE, answer(103, string(b"")))
    with pytest.raises(BackendError, match="not the data that were asked for"):
        read_file(client, b"name", 0, None)


def test_pieces_that_are_too_short_are_completed(connect):
    pieces = [answer(103, string(piece)) for piece in (b"0123", b"45", b"6789")]
    client = connect(VERSION, REGULAR, HANDLE, *pieces)
    assert read_file(client, b"name", 0, None) == b"0123456789"


def test_a_file_that_ends_before_its_size_is_not_taken_for_whole(connect):
    client = connect(VERSION, REGULAR, HANDLE, answer(103, string(b"0123")), status(1))
    with pytest.raises(StorageUnreachable, match="6 bytes before its size"):
        read_file(client, b"name", 0, None)


def test_a_size_beyond_belief_takes_no_memory_in_advance(connect):
    huge = answer(105, struct.pack(">IQI", 1 | 4, 2**62, 0o100600))
    client = connect(VERSION, huge, HANDLE, *[status(1)] * 200)
    with pytest.raises(StorageUnreachable, match="before its size"):
        read_file(client, b"name", 0, None)


def test_what_is_not_a_regular_file_is_no_object(connect):
    folder = answer(105, struct.pack(">IQI", 1 | 4, 10, 0o040700))
    client = connect(VERSION, folder, HANDLE, status(0))
    with pytest.raises(StatusError) as caught:
        read_file(client, b"name", 0, None)
    assert caught.value.code == 2


def test_entries_without_attributes_are_asked_for(connect):
    entry = string(b"name") + string(b"") + struct.pack(">I", 0)
    page = answer(104, struct.pack(">I", 1), entry)
    ends = [status(1)] * 8
    client = connect(VERSION, HANDLE, page, *ends, status(0), REGULAR)
    ((found,),) = list_folders(client, [b"folder"])
    assert (found.name, found.attributes.size) == (b"name", 10)


def test_a_program_that_is_not_there_is_said():
    with pytest.raises(UsageError, match="cannot start no-such-program"):
        SshChannel(["no-such-program"], {"PATH": "/nowhere"}, STORE)
