"""Take a snapshot of files, or of a stream."""

from chunkvault.operations.backup.operation import backup
from chunkvault.operations.backup.options import BackupOptions, BackupSummary

__all__ = ["BackupOptions", "BackupSummary", "backup"]
