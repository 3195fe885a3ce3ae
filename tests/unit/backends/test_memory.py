"""The reference backend; the rest of it is in tests/contract."""

from chunkvault.backends.memory import MemoryBackend


def test_it_can_begin_with_objects_of_its_own():
    objects = {"a": b"1"}
    backend = MemoryBackend(objects)
    backend.put("b", b"2")
    assert objects == {"a": b"1"}
    assert backend.get("a") == b"1"


def test_it_can_be_used_again_after_closing():
    backend = MemoryBackend()
    backend.put("a", b"1")
    backend.close()
    assert backend.get("a") == b"1"
