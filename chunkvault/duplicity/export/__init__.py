"""Write snapshots as an archive that the real duplicity restores and continues."""

from chunkvault.duplicity.export.operation import export_archive
from chunkvault.duplicity.export.records import (
    ExportOptions,
    ExportSummary,
    FullEvery,
)

__all__ = ["ExportOptions", "ExportSummary", "FullEvery", "export_archive"]
