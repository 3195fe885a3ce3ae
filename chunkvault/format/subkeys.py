"""Format chapter 3, continued: the keys derived from the master keys."""

from dataclasses import dataclass, field

from chunkvault.codec.hashing import derive_key, keyed_hash
from chunkvault.errors import UnsupportedFormat
from chunkvault.format.blob import BlobKind
from chunkvault.format.names import TAG_BYTES
from chunkvault.ids import BlobId, RepositoryId

__all__ = ["EpochKeys", "Keyring", "derive_keyring"]


@dataclass(frozen=True, slots=True, repr=False)
class EpochKeys:
    """Keys that seal what is written in one epoch of the master key."""

    wrap: dict[int, bytes]
    directory: bytes
    index: bytes
    snapshot: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Every key of a repository; identifiers never change with the epoch."""

    repository_id: RepositoryId
    blob_id: dict[int, bytes] = field(repr=False)
    snapshot_tag: bytes = field(repr=False)
    epochs: tuple[EpochKeys, ...] = field(repr=False)

    @property
    def epoch(self) -> int:
        """The epoch that writers use."""
        return len(self.epochs) - 1

    def of_epoch(self, epoch: int) -> EpochKeys:
        """The sealing keys of an epoch that stands in an object's header.

        Raises:
            UnsupportedFormat: the key slot does not hold that epoch.
        """
        if epoch >= len(self.epochs):
            raise UnsupportedFormat(f"the key does not reach epoch {epoch}")
        return self.epochs[epoch]

    def identify(self, kind: int, data: bytes | bytearray | memoryview) -> BlobId:
        """The id of a blob with this content."""
        return BlobId(keyed_hash(self.blob_id[kind], data))

    def tag(self, host: str, paths: tuple[bytes, ...]) -> bytes:
        """What stands for host and paths in a snapshot's name, see chapter 8."""
        parts = [host.encode("utf-8", "surrogateescape"), *paths]
        joined = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
        return keyed_hash(self.snapshot_tag, joined)[:TAG_BYTES]


def derive_keyring(masters: tuple[bytes, ...], repository_id: RepositoryId) -> Keyring:
    """All keys, from one master key per epoch."""
    first = masters[0] + repository_id
    return Keyring(
        repository_id,
        {
            BlobKind.CHUNK: derive_key("chunkvault v1 chunk id", first),
            BlobKind.TREE: derive_key("chunkvault v1 tree id", first),
        },
        derive_key("chunkvault v1 snapshot tag", first),
        tuple(_derive_epoch(master + repository_id) for master in masters),
    )


def _derive_epoch(material: bytes) -> EpochKeys:
    return EpochKeys(
        {
            BlobKind.CHUNK: derive_key("chunkvault v1 chunk volume wrap", material),
            BlobKind.TREE: derive_key("chunkvault v1 tree volume wrap", material),
        },
        derive_key("chunkvault v1 volume directory", material),
        derive_key("chunkvault v1 index run", material),
        derive_key("chunkvault v1 snapshot", material),
    )
