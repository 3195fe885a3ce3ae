"""Create a repository; open one."""

from contextlib import suppress
from functools import partial

from chunkvault.backends.base import Backend
from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.codec.passphrase import DEFAULT_COST, KdfCost
from chunkvault.codec.sealing import random_bytes
from chunkvault.errors import (
    DamageError,
    FormatError,
    ObjectExists,
    ObjectNotFound,
    RepositoryExists,
    RepositoryNotFound,
)
from chunkvault.format import names
from chunkvault.format.config import decode_config, encode_config
from chunkvault.format.keys import MASTER_KEY_BYTES, KeyBundle, Secret, Settings
from chunkvault.ids import ID_BYTES, RepositoryId
from chunkvault.repository.recollection import Recollection
from chunkvault.repository.repository import Repository
from chunkvault.repository.slots import (
    store_slot,
    unlock,
    unlock_known,
    unlock_single,
)

__all__ = [
    "DEFAULT_SETTINGS",
    "create_repository",
    "open_repository",
    "require_repository",
]

DEFAULT_SETTINGS = Settings(
    chunker=ChunkerParameters(minimum=16 << 10, average=64 << 10, maximum=256 << 10),
    frame_bytes=1 << 20,
    volume_bytes=16 << 20,
)
"""Sizes measured in docs/decisions/0002."""

_DATA_FOLDERS = (
    names.SNAPSHOTS,
    names.INDEX,
    names.PARTS,
    *names.VOLUME_FOLDERS.values(),
)


def create_repository(  # noqa: PLR0913 - each has a sensible default
    backend: Backend,
    secret: Secret,
    *,
    settings: Settings = DEFAULT_SETTINGS,
    label: str = "",
    now_ns: int = 0,
    cost: KdfCost = DEFAULT_COST,
    extra_verify: bool = True,
) -> Repository:
    """Make an empty repository. The config is written last: before it, nothing is.

    What an interrupted creation left is no obstacle, and is removed.

    Raises:
        RepositoryExists: there is one already, or something else is there.
    """
    leftovers = _require_vacant(backend)
    repository_id = RepositoryId(random_bytes(ID_BYTES))
    bundle = KeyBundle(
        masters=(random_bytes(MASTER_KEY_BYTES),),
        settings=settings,
        label=label,
        created_ns=now_ns,
    )
    slot_id = store_slot(backend, bundle, secret, repository_id, cost)
    try:
        backend.put(names.CONFIG, encode_config(repository_id))
    except ObjectExists:
        backend.delete(names.object_name(names.KEYS, slot_id))
        raise RepositoryExists("somebody else just created a repository") from None
    # Not earlier: they may belong to somebody who is creating one at this moment.
    for name in leftovers:
        backend.delete(name)
    return Repository(
        backend, repository_id, bundle, slot_id, extra_verify=extra_verify
    )


def open_repository(  # noqa: PLR0913 - each has a sensible default
    backend: Backend,
    secret: Secret,
    *,
    extra_verify: bool = True,
    bases: Backend | None = None,
    recollection: Recollection | None = None,
    connections: int = 0,
    glances: bool = False,
) -> Repository:
    """Open a repository with a passphrase or a device key.

    A lost or damaged config is got round, since every key slot knows what it
    said; it is then among the repository's `problems`. Where the key slot is
    remembered and opens, config and list of slots are not looked at.

    Args:
        backend: where the repository is.
        secret: what opens it.
        extra_verify: read again what was compressed and sealed, before it is put.
        bases: where bases of deltas are read from, if reading from ``backend``
            costs a download; may have less than it.
        recollection: what earlier runs of this machine remember of the names.
        connections: requests that may be under way at once; 0 for a near storage.
        glances: a single key slot is enough; whether the config is there and whole
            is left to others. One request less.

    Raises:
        RepositoryNotFound: there is none.
        WrongKey: no key slot opens.
        UnsupportedFormat: a newer version wrote it.
        DamageError: too much of it is lost.
    """
    opened = partial(
        Repository,
        backend,
        extra_verify=extra_verify,
        bases=bases,
        connections=connections,
    )
    if recollection is not None:
        known = (recollection.slot, recollection.repository_id)
        unlocked = unlock_known(backend, secret, *known)
        if unlocked is not None:
            return opened(*unlocked, runs=recollection.runs)
    listed = None
    if glances:
        listed = tuple(backend.list(names.KEYS))
        unlocked = unlock_single(backend, secret, listed)
        if unlocked is not None:
            return opened(*unlocked)
    expected, problem = require_repository(backend)
    repository_id, bundle, slot_id = unlock(backend, secret, expected, listed)
    repository = opened(repository_id, bundle, slot_id)
    if expected not in (None, repository_id):
        what = "object config is of another repository"
        problem = DamageError(what, object_name=names.CONFIG)
    if problem is not None:
        repository.add_problem(problem)
    return repository


def require_repository(
    backend: Backend,
) -> tuple[RepositoryId | None, DamageError | None]:
    """Look whether a repository is there; needs no key.

    Returns:
        Its id as the config has it, and what is wrong with the config. Without a
        config there is no id, but there are key slots that know it.

    Raises:
        RepositoryNotFound: there is none.
        UnsupportedFormat: a newer version wrote it.
        DamageError: config and key slots are lost, or the config is unreadable and
            nothing else is there.
    """
    expected, problem = _read_config(backend)
    if problem is not None:
        _require_remains(backend, problem)
    return expected, problem


def _read_config(backend: Backend) -> tuple[RepositoryId | None, DamageError | None]:
    try:
        with suppress(FormatError):  # read again: it may have been changed on its way
            return decode_config(backend.get(names.CONFIG)), None
        return decode_config(backend.get(names.CONFIG)), None
    except ObjectNotFound:
        what = "object config is missing"
        return None, DamageError(what, object_name=names.CONFIG)
    except FormatError as error:
        what = f"object config is damaged: {error}"
        return None, FormatError(what, object_name=names.CONFIG)


def _require_vacant(backend: Backend) -> list[str]:
    """Names of what an interrupted creation left; refuses anything else.

    Key slots stand alone only before the first config is written.
    """
    leftovers = []
    for info in backend.list(""):
        if not info.name.startswith(names.KEYS) or not names.hash_in_name(info.name):
            raise RepositoryExists("the location is not empty, or holds a repository")
        leftovers.append(info.name)
    return leftovers


def _require_remains(backend: Backend, problem: DamageError) -> None:
    """Refuse to go on without a config where there is nothing to go on with."""
    has_slots = _has_any(backend, names.KEYS)
    has_data = any(_has_any(backend, folder) for folder in _DATA_FOLDERS)
    is_missing = not isinstance(problem, FormatError)
    if has_slots and (has_data or not is_missing):
        return
    if has_data:
        raise DamageError(
            f"{problem}, and so are all key slots",
            object_name=names.CONFIG,
            hint="restore 'config' and the folder 'keys' from a copy",
        )
    if not is_missing:
        raise problem
    if has_slots:
        raise RepositoryNotFound(
            "the creation of a repository at this location was interrupted",
            hint="run 'chunkvault init' again",
        )
    raise RepositoryNotFound("there is no repository at this location")


def _has_any(backend: Backend, folder: str) -> bool:
    return next(iter(backend.list(folder)), None) is not None
