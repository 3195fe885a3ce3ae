"""Key slots on the backend: find the one that opens, add, remove, list."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.codec.hashing import content_hash
from chunkvault.codec.passphrase import DEFAULT_COST, SALT_BYTES, KdfCost
from chunkvault.codec.sealing import NONCE_BYTES, random_bytes
from chunkvault.errors import (
    ChunkvaultError,
    DamageError,
    FormatError,
    ObjectNotFound,
    UnsupportedFormat,
    UsageError,
    WrongKey,
)
from chunkvault.format import names
from chunkvault.format.keys import (
    KeyBundle,
    Secret,
    SlotHeader,
    decode_slot_header,
    open_slot,
    seal_slot,
)
from chunkvault.ids import RepositoryId, SlotId
from chunkvault.repository.integrity import read_intact

__all__ = [
    "SlotInfo",
    "list_slots",
    "remove_slot",
    "store_slot",
    "unlock",
    "unlock_known",
    "unlock_single",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotInfo:
    """What can be told of a key slot.

    Attributes:
        slot_id: hash of the slot.
        is_device: opened by a device key rather than a passphrase.
        problem: why the slot cannot be used; empty if it can.
    """

    slot_id: SlotId
    is_device: bool
    problem: str


class _Slot(NamedTuple):
    name: str
    data: bytes
    header: SlotHeader


def unlock_known(
    backend: Backend, secret: Secret, name: str, expected: RepositoryId
) -> tuple[RepositoryId, KeyBundle, SlotId] | None:
    """Open the key slot of this name; None if it is not there or does not open."""
    try:
        data = read_intact(backend, name)
        header = _check_slot(name, data)
    except (DamageError, ObjectNotFound, UnsupportedFormat):
        return None
    if header.repository_id != expected:
        return None
    bundle = _try(_Slot(name, data, header), secret, [])
    return None if bundle is None else (expected, bundle, _slot_id(name))


def unlock_single(
    backend: Backend, secret: Secret, listed: Sequence[ObjectInfo]
) -> tuple[RepositoryId, KeyBundle, SlotId] | None:
    """Open the only key slot: it says all that the config does.

    None if there are several, of which a config says whose they are, or if it is
    damaged or of a newer version.

    Raises:
        WrongKey: it is whole, and does not open.
    """
    if len(listed) != 1:
        return None
    refused: list[ChunkvaultError] = []
    for slot in _read_slots(backend, listed, refused):
        if (bundle := _try(slot, secret, refused)) is not None:
            return slot.header.repository_id, bundle, _slot_id(slot.name)
        if not refused:
            raise _no_slot_opens(refused, has_whole=True)
    return None


def unlock(
    backend: Backend,
    secret: Secret,
    expected: RepositoryId | None,
    listed: Sequence[ObjectInfo] | None = None,
) -> tuple[RepositoryId, KeyBundle, SlotId]:
    """Open the first key slot that ``secret`` fits.

    Slots of another repository, as two creations at once may leave, are tried
    only if there are no others: then it is the config that is not ours.

    Args:
        backend: where the slots are.
        secret: passphrase or device key.
        expected: the repository's id, unless its config is lost.
        listed: the slots, if they were listed already.

    Raises:
        WrongKey: every slot is whole, and none opens.
        DamageError: none opens, and some are missing or damaged.
        UnsupportedFormat: none opens, and some were written by a newer version.
    """
    refused: list[ChunkvaultError] = []
    strange: list[_Slot] = []
    has_own = False
    infos = backend.list(names.KEYS) if listed is None else listed
    for slot in _read_slots(backend, infos, refused):
        if expected not in (None, slot.header.repository_id):
            strange.append(slot)
            continue
        has_own = True
        if (bundle := _try(slot, secret, refused)) is not None:
            return slot.header.repository_id, bundle, _slot_id(slot.name)
    for slot in () if has_own else strange:
        if (bundle := _try(slot, secret, refused)) is not None:
            return slot.header.repository_id, bundle, _slot_id(slot.name)
    raise _no_slot_opens(refused, has_whole=has_own or bool(strange))


def list_slots(backend: Backend) -> list[SlotInfo]:
    """All key slots, damaged ones included."""
    infos = []
    for info in sorted(backend.list(names.KEYS)):
        slot_id = names.hash_in_name(info.name)
        if slot_id is None:
            continue
        is_device, problem = _inspect(backend, info.name)
        infos.append(
            SlotInfo(slot_id=SlotId(slot_id), is_device=is_device, problem=problem)
        )
    return infos


def store_slot(
    backend: Backend,
    bundle: KeyBundle,
    secret: Secret,
    repository_id: RepositoryId,
    cost: KdfCost = DEFAULT_COST,
) -> SlotId:
    """Add a key slot that ``secret`` opens; durable on return."""
    slot = seal_slot(
        bundle,
        secret,
        repository_id,
        salt=random_bytes(SALT_BYTES),
        nonce=random_bytes(NONCE_BYTES),
        cost=cost,
    )
    slot_id = SlotId(content_hash(slot))
    backend.put(names.object_name(names.KEYS, slot_id), slot)
    return slot_id


def remove_slot(backend: Backend, slot_id: SlotId) -> None:
    """Remove a key slot.

    Raises:
        UsageError: it is the last one that is whole.
    """
    others = [
        slot
        for slot in list_slots(backend)
        if slot.slot_id != slot_id and not slot.problem
    ]
    if not others:
        raise UsageError(
            "the last key slot cannot be removed: nothing could be restored any more",
            hint="add another one first with 'chunkvault key add'",
        )
    backend.delete(names.object_name(names.KEYS, slot_id))


def _read_slots(
    backend: Backend, infos: Iterable[ObjectInfo], refused: list[ChunkvaultError]
) -> Iterator[_Slot]:
    for info in sorted(infos):
        try:
            data = read_intact(backend, info.name)
            header = _check_slot(info.name, data)
        except ObjectNotFound:
            refused.append(_damage(info.name))
        except (DamageError, UnsupportedFormat) as error:
            refused.append(_refusal(info.name, error))
        else:
            yield _Slot(info.name, data, header)


def _try(
    slot: _Slot, secret: Secret, refused: list[ChunkvaultError]
) -> KeyBundle | None:
    try:
        return open_slot(slot.data, secret)
    except WrongKey:
        return None
    except (DamageError, UnsupportedFormat) as error:
        # Whoever can write to the storage could add such a slot: the others count.
        refused.append(_refusal(slot.name, error))
        return None


def _no_slot_opens(
    refused: list[ChunkvaultError], *, has_whole: bool
) -> ChunkvaultError:
    if refused:
        return refused[0]
    if has_whole:
        return WrongKey("the password or key does not open this repository")
    return _damage("every key slot")


def _refusal(name: str, error: ChunkvaultError) -> ChunkvaultError:
    if isinstance(error, UnsupportedFormat):
        return UnsupportedFormat(f"{name}: {error}, and no other key slot opens")
    return _damage(name)


def _damage(which: str) -> DamageError:
    return DamageError(
        f"{which} is damaged or missing, and no other key slot opens",
        object_name=which,
        hint="restore the folder 'keys' of the repository from a copy",
    )


def _check_slot(name: str, data: bytes) -> SlotHeader:
    if not names.is_intact(name, data):
        raise FormatError("the key slot is not what was stored", object_name=name)
    return decode_slot_header(data)


def _inspect(backend: Backend, name: str) -> tuple[bool, str]:
    try:
        return _check_slot(name, read_intact(backend, name)).is_device, ""
    except (DamageError, ObjectNotFound, UnsupportedFormat) as error:
        return False, str(error)


def _slot_id(name: str) -> SlotId:
    digest = names.hash_in_name(name)
    assert digest is not None, "only slots whose hash was checked are opened"
    return SlotId(digest)
