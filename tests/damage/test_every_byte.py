"""Each byte of each object of a small repository has a bit flipped, once."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import DamageError
from tests.support.builders import (
    back_up,
    contents,
    create_small,
    noise,
    objects_of,
    open_small,
    outcome,
    read_back,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.damage import FOLDERS

SLOT = "key slot"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """One object of each kind, and what the snapshot holds."""
    source = tmp_path_factory.mktemp("every-byte") / "s"
    write_tree(source, {"a": noise(60), "b/c": b"text " * 30})
    repository = create_small()
    back_up(repository, source)
    [snapshot] = snapshots_of(repository)
    objects = objects_of(repository.backend)
    assert len(objects) == len(FOLDERS)
    return objects, contents(read_back(repository, snapshot))


@pytest.mark.parametrize("kind", FOLDERS)
def test_check_reports_a_flipped_bit_in_any_byte(small, kind):
    objects, wanted = small
    [name] = [name for name in objects if name.startswith(FOLDERS[kind])]
    for position in range(len(objects[name])):
        changed = bytearray(objects[name])
        changed[position] ^= 1 << position % 8
        backend = MemoryBackend(objects | {name: bytes(changed)})
        if kind == SLOT:
            with pytest.raises(DamageError) as caught:
                open_small(backend)
            assert caught.value.object_name == name
            continue
        summary = run_check(backend)
        assert summary.exit_code == DamageError.exit_code, position
        assert name in {damage.object_name for damage in summary.damage}, position
        assert_only_right_bytes(backend, wanted)


def assert_only_right_bytes(backend, wanted):
    repository = open_small(backend)
    for snapshot in snapshots_of(repository):
        found = read_back(repository, snapshot)
        assert contents(found).items() <= wanted.items()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FOLDERS)
def test_every_bit(small, kind):
    objects, wanted = small
    [name] = [name for name in objects if name.startswith(FOLDERS[kind])]
    for position in range(8 * len(objects[name])):
        changed = bytearray(objects[name])
        changed[position // 8] ^= 1 << position % 8
        backend = MemoryBackend(objects | {name: bytes(changed)})
        if kind == SLOT:
            assert isinstance(outcome(lambda at=backend: open_small(at)), DamageError)
            continue
        assert run_check(backend).exit_code == DamageError.exit_code
        assert_only_right_bytes(backend, wanted)
