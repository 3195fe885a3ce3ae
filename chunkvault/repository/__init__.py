"""Blobs in, blobs out. Everything outside imports from here."""

from chunkvault.format.keys import DeviceKey, Passphrase, Secret, Settings
from chunkvault.format.names import SnapshotName
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.blob_reader import BlobReader
from chunkvault.repository.blob_writer import BlobWriter, WriterTotals
from chunkvault.repository.caching import RemoteStore, cached, remote
from chunkvault.repository.foresight import look_ahead
from chunkvault.repository.locations import (
    BlobLocation,
    FrameLocation,
    frame_locations,
)
from chunkvault.repository.opening import (
    DEFAULT_SETTINGS,
    create_repository,
    open_repository,
    require_repository,
)
from chunkvault.repository.recollection import Recollection
from chunkvault.repository.repository import Repository
from chunkvault.repository.slots import SlotInfo, list_slots, remove_slot
from chunkvault.repository.stored_run import StoredRun
from chunkvault.repository.surplus import IndexSurplus, find_surplus

__all__ = [
    "DEFAULT_SETTINGS",
    "BlobIndex",
    "BlobLocation",
    "BlobReader",
    "BlobWriter",
    "DeviceKey",
    "FrameLocation",
    "IndexSurplus",
    "Passphrase",
    "Recollection",
    "RemoteStore",
    "Repository",
    "Secret",
    "Settings",
    "SlotInfo",
    "SnapshotName",
    "StoredRun",
    "WriterTotals",
    "cached",
    "create_repository",
    "find_surplus",
    "frame_locations",
    "list_slots",
    "look_ahead",
    "open_repository",
    "remote",
    "remove_slot",
    "require_repository",
]
