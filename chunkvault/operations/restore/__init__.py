"""Bring files of a snapshot back to the disk.

Three steps, each in a module of its own:

1. `chunkvault.operations.restore.survey` walks the snapshot, makes directories
   and special files, compares what is there already, and puts the files to be
   written into the `chunkvault.operations.restore.plan`.
2. `chunkvault.operations.restore.writing` goes through the plan frame by frame:
   each frame that is needed is read once, and all files get their parts of it.
3. `chunkvault.operations.restore.finish` makes hard links, deletes what the
   snapshot does not have, and gives directories their metadata.

Damage and files that cannot be written cost these files and no others.
"""

from chunkvault.operations.restore.records import RestoreOptions, RestoreSummary
from chunkvault.operations.restore.run import restore

__all__ = ["RestoreOptions", "RestoreSummary", "restore"]
