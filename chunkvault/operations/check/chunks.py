"""Can a chunk be read? Looked up, and read only where its volume is doubtful."""

from chunkvault.errors import DamageError
from chunkvault.format.blob import PREFIX_BYTES, BlobKind
from chunkvault.ids import BlobId
from chunkvault.operations.check.survey import ChunkSurvey
from chunkvault.repository import BlobLocation, Repository

__all__ = ["ChunkJudge"]


class ChunkJudge:
    """Says of chunks whether they can be read; a doubtful one costs a lookup.

    Chunks in a volume that was found damaged are read: of such a volume most
    frames are usually whole, and only the files that need the others suffer.

    Attributes:
        needed_unlisted: names of volumes that snapshots need and no run lists. An
            interrupted backup leaves such volumes too, but nothing needs those.
    """

    def __init__(
        self,
        repository: Repository,
        survey: ChunkSurvey,
        missing: frozenset[bytes],
        damaged: frozenset[bytes],
        unlisted: frozenset[bytes],
    ) -> None:
        self.needed_unlisted: set[str] = set()
        self._survey = survey
        self._unlisted = unlisted
        self._index = repository.index
        self._reader = repository.reader
        self._missing = missing
        self._doubtful = missing | damaged
        self._frame_faults: dict[tuple[bytes, int], DamageError | None] = {}

    def fault_of(self, chunk: BlobId) -> DamageError | None:
        """Why the chunk cannot be read, or None if it can."""
        if not self._survey.is_doubtful(chunk):
            return None
        prefix = chunk[:PREFIX_BYTES]
        fault: DamageError | None = None
        for location in self._index.candidates(prefix):
            fault = self._fault_at(chunk, location)
            if fault is None:
                self._note_place(location)
                return None
        return fault or DamageError("chunks are in no index run and no volume")

    def note_tree(self, tree: BlobId) -> None:
        """Notice where a tree is; whether it can be read, its reader will see."""
        if not self._survey.is_doubtful(tree):
            return
        location = self._index.find(tree[:PREFIX_BYTES])
        if location is not None:
            self._note_place(location)

    def _note_place(self, location: BlobLocation) -> None:
        if location.frame.volume.volume_id in self._unlisted:
            self.needed_unlisted.add(location.frame.object_name)

    def _fault_at(self, chunk: BlobId, location: BlobLocation) -> DamageError | None:
        if self._is_sound(location):
            return None
        fault = self._frame_fault(location)
        if fault is not None:
            return fault
        try:
            self._reader.load(BlobKind.CHUNK, chunk)
        except DamageError as error:
            return error
        return None

    def _is_sound(self, location: BlobLocation) -> bool:
        if location.frame.volume.volume_id in self._doubtful:
            return False
        if location.base is None:
            return True
        base = self._index.find(location.base)
        return (
            base is not None
            and base.base is None
            and base.frame.volume.volume_id not in self._doubtful
        )

    def _frame_fault(self, location: BlobLocation) -> DamageError | None:
        """Why the chunk's own frame cannot be read; asked once for each frame."""
        frame = location.frame
        if frame.volume.volume_id not in self._doubtful:
            return None
        if frame.volume.volume_id in self._missing:
            name = frame.object_name
            return DamageError(f"volume {name} is missing", object_name=name)
        place = (frame.volume.volume_id, frame.number)
        if place not in self._frame_faults:
            self._frame_faults[place] = self._try_frame(location)
        return self._frame_faults[place]

    def _try_frame(self, location: BlobLocation) -> DamageError | None:
        try:
            self._reader.read_frame(location.frame)
        except DamageError as error:
            return error
        return None
