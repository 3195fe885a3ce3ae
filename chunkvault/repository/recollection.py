"""What a machine remembers of a repository, so that opening it takes one request.

Only names: of the key slot that opened it, and of the index runs. All of it may be
old. A slot that does not open is looked for, and runs are listed again as soon as
something is not found where they say, or before anything is stored.
"""

from dataclasses import dataclass
from typing import Self

from chunkvault.backends.base import ObjectInfo, check_name
from chunkvault.format import names
from chunkvault.ids import ID_BYTES, RepositoryId

__all__ = ["Recollection"]

_MAX_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Recollection:
    """Names that were right the last time.

    Attributes:
        repository_id: of the repository that is meant.
        slot: name of the key slot.
        runs: the index runs.
    """

    repository_id: RepositoryId
    slot: str
    runs: tuple[ObjectInfo, ...]

    def to_text(self) -> str:
        """Lines of ASCII."""
        lines = [self.repository_id.hex(), self.slot]
        lines += [f"{run.name} {run.size}" for run in self.runs]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """Undo `to_text`; None for any other text."""
        lines = text.splitlines()
        if not 2 <= len(lines) <= _MAX_RUNS:
            return None
        try:
            repository_id = RepositoryId(bytes.fromhex(lines[0]))
            fields = [line.split(" ") for line in lines[2:]]
            runs = tuple(ObjectInfo(name, int(size)) for name, size in fields)
        except ValueError:
            return None
        if len(repository_id) != ID_BYTES or not _is_in(names.KEYS, lines[1]):
            return None
        if not all(_is_in(names.INDEX, run.name) and run.size > 0 for run in runs):
            return None
        return cls(repository_id, lines[1], runs)


def _is_in(folder: str, name: str) -> bool:
    is_named = names.hash_in_name(name) is not None
    return is_named and name.startswith(folder) and check_name(name)
