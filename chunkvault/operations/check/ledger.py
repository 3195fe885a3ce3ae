"""Keeps what a check finds: bounded lists, one entry per object."""

from dataclasses import dataclass, field

from chunkvault.operations.check.records import MAX_FILES, Damage
from chunkvault.report import Problem, Reporter

__all__ = ["Ledger"]

_MAX_MESSAGES = 3


@dataclass(slots=True)
class _Entry:
    messages: list[str] = field(default_factory=list)
    more_messages: int = 0
    files: list[tuple[str, bytes]] = field(default_factory=list)
    more_files: int = 0
    snapshots: dict[str, None] = field(default_factory=dict)

    def add_message(self, message: str) -> None:
        if message in self.messages:
            return
        if len(self.messages) < _MAX_MESSAGES:
            self.messages.append(message)
        else:
            self.more_messages += 1

    def text(self) -> str:
        joined = "; ".join(self.messages)
        more = self.more_messages
        return f"{joined}; and {more} more findings" if more else joined


class Ledger:
    """Everything found so far. Tells the reporter of each new damaged object."""

    def __init__(self, reporter: Reporter) -> None:
        self.notes: list[str] = []
        self._reporter = reporter
        self._entries: dict[str, _Entry] = {}

    def damaged(self, object_name: str, message: str) -> None:
        """An object is damaged or missing."""
        if object_name not in self._entries:
            self._entries[object_name] = _Entry()
            self._reporter.problem(
                Problem(path=b"", message=message, object_name=object_name)
            )
        self._entries[object_name].add_message(message)

    def affected(self, object_name: str, snapshot: str, path: bytes) -> None:
        """A file suffers from an object that was told to be `damaged`."""
        entry = self._entries[object_name]
        entry.snapshots[snapshot] = None
        if len(entry.files) < MAX_FILES:
            entry.files.append((snapshot, path))
        else:
            entry.more_files += 1

    def also_in(self, object_name: str, snapshot: str) -> None:
        """Another snapshot has files that suffer, all of them named already."""
        self._entries[object_name].snapshots[snapshot] = None

    def damage(self) -> tuple[Damage, ...]:
        """All of it, in the order found."""
        return tuple(
            Damage(
                object_name=name,
                message=entry.text(),
                files=tuple(entry.files),
                more=entry.more_files,
                snapshots=tuple(entry.snapshots),
            )
            for name, entry in self._entries.items()
        )
