"""A backend in memory that knows the ages of its objects, by a clock that is set."""

from collections.abc import Iterator, Mapping

from chunkvault.backends.memory import MemoryBackend
from chunkvault.backends.upkeep import AgedObject, Leftover, LeftoverKind, is_abandoned

__all__ = ["DAY_S", "AgedBackend"]

DAY_S = 24 * 3600


class AgedBackend(MemoryBackend):
    """Objects in memory; those that are there from the beginning are of time 0.

    Attributes:
        now_s: the store's clock.
        uploads: names of unfinished uploads, and when they were begun.
    """

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        super().__init__(objects)
        self.now_s = 0
        self.uploads: dict[str, int] = {}
        self._born_s: dict[str, int] = {}

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        super().put(name, data)
        self._born_s[name] = self.now_s

    def upkeep(self) -> "AgedBackend":
        return self

    def leftovers(self) -> Iterator[Leftover]:
        for name, begun_s in list(self.uploads.items()):
            is_old = is_abandoned(self.now_s - begun_s)
            yield Leftover(LeftoverKind.UPLOAD, name, 1000, is_old, (name,))

    def remove(self, leftover: Leftover) -> bool:
        return self.uploads.pop(leftover.handle[0], None) is not None

    def aged(self, prefix: str) -> Iterator[AgedObject]:
        for info in self.list(prefix):
            age_s = self.now_s - self._born_s.get(info.name, 0)
            yield AgedObject(info.name, info.size, age_s)
