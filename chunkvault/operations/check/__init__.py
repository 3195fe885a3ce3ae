"""Is everything there, and is it what was stored?

Three questions, each dearer than the one before:

1. `chunkvault.operations.check.objects`: are all objects there, with the right
   sizes, and are the small ones intact? One listing, and the small objects.
2. `chunkvault.operations.check.data`: are the volumes what was stored? Only on
   request: it reads all of them, or a part that changes from run to run.
3. `chunkvault.operations.check.structure`: do the trees of all snapshots lead to
   whole files? This comes last, so that it can name the files and snapshots
   that suffer from what the first two found. Chunks are looked up by the million
   (`chunkvault.operations.check.survey`); only if some are doubtful, trees are
   walked again to find the files, and these chunks are looked at one by one
   (`chunkvault.operations.check.chunks`).

Nothing ends a check early: what is found goes to the
`chunkvault.operations.check.ledger`.
"""

from chunkvault.operations.check.records import CheckOptions, CheckSummary, Damage
from chunkvault.operations.check.run import check

__all__ = ["CheckOptions", "CheckSummary", "Damage", "check"]
