"""SFTP: locations, broken connections, leftovers, full disks; against a real sshd."""

import contextlib
import os
import signal
import subprocess
import threading

import pytest

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.sftp import open_location
from chunkvault.backends.sftp_client import SftpClient
from chunkvault.backends.sftp_files import read_file, remove_file, store_file
from chunkvault.backends.sftp_listing import list_folders
from chunkvault.backends.ssh_channel import SshChannel
from chunkvault.backends.traffic import Traffic
from chunkvault.errors import BackendError, StorageFull, StorageUnreachable, UsageError

MIB = 1024 * 1024
OLD = ".tmp-0123456789abcdef"


def command_of(location):
    return open_location(location, StorageOptions())._target.command


@pytest.mark.parametrize(
    ("location", "root", "words"),
    [
        ("sftp://host/path", b"/path", ["-s", "--", "host", "sftp"]),
        ("SFTP://Alias/a/b/", b"/a/b", ["-s", "--", "Alias", "sftp"]),
        ("sftp://me@host:2022/p", b"/p", ["-p", "2022", "-l", "me", "-s", "--"]),
        ("sftp://host/~/backups", b"backups", ["-s", "--", "host", "sftp"]),
        ("sftp://host/with%20space", b"/with space", ["-s"]),
        ("sftp://[::1]/path", b"/path", ["-s", "--", "::1", "sftp"]),
        ("sftp://h/p?ssh-config=/etc/x", b"/p", ["-F", "/etc/x", "-s", "--", "h"]),
        ("sftp://a%40b@host/path", b"/path", ["-l", "a@b"]),
    ],
)
def test_a_location_says_where_to_connect(location, root, words):
    backend = open_location(location, StorageOptions())
    assert backend._target.root == root
    assert " ".join(words) in " ".join(backend._target.command)


def test_ssh_is_told_never_to_ask():
    assert "BatchMode=yes" in command_of("sftp://host/path")


@pytest.mark.parametrize(
    "location",
    [
        "sftp:",
        "sftp://",
        "sftp://host",
        "sftp:///path",
        "sftp://host/~",
        "sftp://-oProxyCommand=touch/path",
        "sftp://-oProxyCommand%3Dtouch@host/path",
        "sftp://host:port/path",
        "sftp://host:70000/path",
        "sftp://host/path?color=red",
        "sftp://host/nul%00",
        "sftp://[::1/path",
        "sftp:host:path",
    ],
)
def test_a_location_that_makes_no_sense_is_refused(location):
    with pytest.raises(UsageError):
        open_location(location, StorageOptions())


def test_a_password_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as caught:
        open_location("sftp://me:secret@host/path", StorageOptions())
    assert "secret" not in f"{caught.value}{caught.value.hint}"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "repository"


@pytest.fixture
def backend(sshd, folder):
    made = sshd.open(folder)
    yield made
    made.close()


def hidden(folder):
    return list(folder.rglob(".tmp-*"))


def children(backend):
    return [client.process_id for client in backend._pool._idle]


class CountingChannel(SshChannel):
    """Counts how often an answer is waited for after something was asked."""

    trips = 0
    has_asked = False

    def send(self, *buffers):
        self.has_asked = True
        super().send(*buffers)

    def receive(self):
        self.trips += self.has_asked
        self.has_asked = False
        return super().receive()


def test_storing_takes_three_round_trips_and_all_else_two(sshd, folder):
    backend = sshd.open(folder)
    backend.put("volumes/aa/first", b"content")
    backend.put("volumes/bb/first", b"content")
    target = backend._target
    channel = CountingChannel(target.command, dict(os.environ), target.store)
    client = SftpClient(channel, Traffic())
    assert channel.trips == 1  # what is said at the start
    requests = client.traffic.requests

    def cost(action):
        channel.trips = 0
        requests.clear()
        action()
        return channel.trips

    top = os.fsencode(folder) + b"/volumes"
    name, hidden = top + b"/aa/second", top + b"/aa/.tmp-x"
    content = memoryview(bytes(MIB))
    assert cost(lambda: store_file(client, name, hidden, content)) == 3
    assert requests == {"put": 1}
    assert client.read_bytes > 200_000  # the server's limits came along
    assert cost(lambda: read_file(client, name, 5, 10)) == 2
    assert requests == {"get": 1}
    assert cost(lambda: list_folders(client, [top + b"/aa", top + b"/bb"])) == 2
    assert requests == {"list": 1}
    assert cost(lambda: remove_file(client, name)) == 2
    assert requests == {"delete": 1}
    client.close()
    backend.close()


def test_all_folders_of_one_level_are_listed_at_once(backend, folder):
    for number in range(300):
        (folder / f"chunks/{number:03x}").mkdir(parents=True)
        (folder / f"chunks/{number:03x}/object").touch()
    backend.put("chunks/other", b"")
    requests = backend._options.traffic.requests
    requests.clear()
    assert len(list(backend.list("chunks/"))) == 301
    assert requests == {"list": 2}


def test_bytes_are_counted(backend):
    backend.put("object", bytes(1000))
    backend.get("object", 0, 10)
    traffic = backend._options.traffic
    assert (traffic.sent_bytes, traffic.received_bytes) == (1000, 10)


def test_several_threads_use_as_many_connections_as_permitted(sshd, folder):
    options = StorageOptions(connections=3, environment=dict(os.environ))
    backend = open_location(sshd.location(folder), options)
    barrier = threading.Barrier(3)

    def put(number):
        with backend._pool.borrow():
            barrier.wait()  # only passes if three have one at once
        backend.put(f"object-{number}", bytes(100_000))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(children(backend)) == 3
    assert len(list(backend.list(""))) == 3
    backend.close()
    assert children(backend) == []


def test_closing_ends_the_children(sshd, folder):
    backend = sshd.open(folder)
    backend.put("object", b"content")
    (child,) = children(backend)
    backend.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_an_idle_connection_that_died_is_replaced(backend):
    backend.put("object", b"content")
    (child,) = children(backend)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert backend.get("object") == b"content"
    assert children(backend) != [child]


def test_a_put_whose_connection_dies_leaves_the_name_free(backend, folder, monkeypatch):
    backend.put("volumes/aa/before", b"content")
    (child,) = children(backend)
    kill_after_writes(monkeypatch, child, 5)
    with pytest.raises(StorageUnreachable, match="connection was lost"):
        backend.put("volumes/aa/object", bytes(8 * MIB))
    monkeypatch.undo()
    assert [info.name for info in backend.list("")] == ["volumes/aa/before"]
    backend.put("volumes/aa/object", bytes(8 * MIB))
    assert backend.get("volumes/aa/object") == bytes(8 * MIB)
    backend.close()
    assert hidden(folder) == []


def kill_after_writes(monkeypatch, child, count):
    from chunkvault.backends.sftp_client import SftpClient

    ask_write = SftpClient.ask_write
    seen = []

    def ask_and_kill(client, handle, offset, data):
        seen.append(offset)
        if len(seen) == count:
            client._channel.receive()  # so that some of it is on its way
            os.kill(child, signal.SIGKILL)
        return ask_write(client, handle, offset, data)

    monkeypatch.setattr(SftpClient, "ask_write", ask_and_kill)


def test_leftovers_of_others_go_after_a_day_and_not_before(backend, folder):
    backend.put("volumes/aa/object", b"content")
    old, young, other = (
        folder / "volumes/aa" / name
        for name in (OLD, ".tmp-1123456789abcdef", ".tmp-notes")
    )
    for path in (old, young, other):
        path.write_bytes(b"part")
    for path, age_s in ((old, 25 * 3600), (young, 23 * 3600), (other, 25 * 3600)):
        now = (folder / "volumes/aa/object").stat().st_mtime
        os.utime(path, (now - age_s, now - age_s))
    assert [info.name for info in backend.list("volumes/")] == ["volumes/aa/object"]
    assert old.exists()
    backend.put("volumes/bb/object", b"content")
    backend.close()
    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_a_link_to_another_disk_is_followed_and_a_link_to_a_file_is_not(
    backend, folder, tmp_path
):
    (tmp_path / "other").mkdir()
    folder.mkdir()
    (folder / "volumes").symlink_to(tmp_path / "other")
    backend.put("volumes/object", b"content")
    (folder / "volumes/link").symlink_to("object")
    (folder / "nowhere").symlink_to("absent")
    assert list(backend.list("")) == [ObjectInfo("volumes/object", 7)]
    assert (tmp_path / "other/object").read_bytes() == b"content"


def test_foreign_files_are_not_listed(backend, folder):
    backend.put("volumes/object", b"content")
    for name in ("with:colon", "with space", "ü", "\n", ".hidden"):
        (folder / "volumes" / name).write_bytes(b"")
    with contextlib.suppress(OSError):
        os.mkfifo(folder / "volumes/fifo")
    assert list(backend.list("")) == [ObjectInfo("volumes/object", 7)]


def test_a_folder_of_many_pages_is_listed_whole(backend, folder):
    (folder / "index").mkdir(parents=True)
    for number in range(5000):
        (folder / f"index/{number:04}").touch()
    assert len(set(backend.list("index/"))) == 5000


def test_a_server_without_extensions_gets_a_rename(backend, folder, monkeypatch):
    from chunkvault.backends.sftp_client import SftpClient

    monkeypatch.setattr(SftpClient, "offers", lambda client, extension: False)
    backend.put("volumes/aa/object", b"content")
    assert backend.get("volumes/aa/object") == b"content"
    with pytest.raises(BackendError, match="exists already"):
        backend.put("volumes/aa/object", b"another")
    backend.close()
    assert hidden(folder) == []


def test_a_full_disk_is_said_and_nothing_is_left(sshd, small_disk):
    backend = sshd.open(small_disk / "repository")
    backend.put("volumes/first", b"x" * 100_000)
    with pytest.raises(StorageFull, match="no space left on the server"):
        backend.put("volumes/second", b"x" * 200_000)
    assert list(backend.list("")) == [ObjectInfo("volumes/first", 100_000)]
    backend.put("volumes/third", b"x" * 100_000)
    backend.close()
    assert hidden(small_disk) == []


JUMP = """ProxyJump Gate
Host Gate
    HostName 127.0.0.1
    Port {port}
    IdentityFile {folder}/user-key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    StrictHostKeyChecking yes
"""


def test_a_jump_host_of_the_configuration_is_passed(sshd, tmp_path):
    more = JUMP.format(port=sshd.port, folder=sshd.folder)
    backend = sshd.open(tmp_path / "far", sshd.configure(tmp_path, more=more))
    backend.put("volumes/object", b"content")
    assert backend.get("volumes/object") == b"content"
    backend.close()
    assert (tmp_path / "far/volumes/object").read_bytes() == b"content"


def test_an_agent_has_the_key(sshd, tmp_path):
    socket = tmp_path / "agent"
    agent = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "ssh-agent", "-D", "-a", str(socket)],
        stdout=subprocess.DEVNULL,
    )
    try:
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        wait_for_agent(environment, sshd.folder / "user-key")
        configuration = sshd.configure(tmp_path, identity=tmp_path / "absent")
        text = configuration.read_text().replace("IdentityAgent none", "")
        configuration.write_text(text.replace("IdentitiesOnly yes", ""))
        location = sshd.location(tmp_path / "far", configuration)
        backend = open_location(location, StorageOptions(environment=environment))
        backend.put("object", b"content")
        assert backend.get("object") == b"content"
        backend.close()
    finally:
        agent.terminate()
        agent.wait()


def wait_for_agent(environment, key):
    for _ in range(600):
        command = ["ssh-add", "-q", str(key)]
        done = subprocess.run(
            command, env=environment, capture_output=True, check=False
        )
        if done.returncode == 0:
            return
        threading.Event().wait(0.05)
    raise AssertionError(done.stderr)
