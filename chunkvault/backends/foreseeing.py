"""A wrapper that begins requests before they are asked for.

What a command will ask a far store is often known from the start. Asked one after
the other, each question costs a way there and back; asked at once, all of them
cost one. Who asks later gets the answer, or waits for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice, takewhile

from chunkvault.backends.base import Backend, ObjectInfo, forget_kept, list_after
from chunkvault.workers import Errands

__all__ = ["ForeseeingBackend"]

_PAGE = 1000
"""Names that are listed ahead: one request at most stores."""

_MOST_AT_ONCE = 20 * _PAGE
"""Names that are kept of a listing of everything."""

_Page = list[ObjectInfo]
_Lines = tuple[_Page, Iterator[ObjectInfo]]


class ForeseeingBackend:
    """Answers with what was foreseen, once, and passes everything else on.

    An answer may be as old as the question that was foreseen, so nothing is foreseen
    that is not going to be asked for soon. A put or a delete makes what was
    foreseen of that name void.
    """

    def __init__(self, inner: Backend, threads: int) -> None:
        """Wrap a backend; ``threads`` requests are made ahead at once."""
        self._inner = inner
        self._gets: Errands[bytes] = Errands(threads)
        self._lists: Errands[_Lines] = Errands(threads)
        self._everything: Errands[_Page | None] = Errands(1)
        self._rows: Errands[dict[str, _Lines]] = Errands(1)

    def foresee(self, name: str) -> None:
        """This object will be read whole."""
        self._gets.begin(name, lambda: self._inner.get(name))

    def foresee_list(
        self,
        prefix: str,
        then: Callable[[Sequence[ObjectInfo]], object] | None = None,
    ) -> None:
        """These names will be listed; ``then`` is told the first page of them."""

        def look() -> _Lines:
            page, lines = self._first_page(prefix)
            if then is not None:
                then(page)
            return page, lines

        self._lists.begin(prefix, look)

    def foresee_lists(self, prefixes: Sequence[str]) -> None:
        """All of these names will be listed: one listing of everything has them.

        Of a store with far more names than expected they are listed one by one.
        """
        self._everything.begin("", self._list_everything)
        listed = self._everything.take("")

        def look(prefix: str) -> _Lines:
            lines = listed() if listed is not None else None
            if lines is None:
                return self._first_page(prefix)
            return [info for info in lines if info.name.startswith(prefix)], iter(())

        for prefix in prefixes:
            self._lists.begin(prefix, partial(look, prefix))

    def foresee_row(
        self,
        prefixes: Sequence[str],
        after: str,
        then: Mapping[str, Callable[[Sequence[ObjectInfo]], object]],
    ) -> None:
        """All of these names will be listed: one listing has them one after the other.

        Only of a backend that `can_list_after`: names between ``after`` and the last
        prefix are listed, too.

        Args:
            prefixes: in the order of names.
            after: less than all of these names.
            then: by prefix, what is told the names of it that were listed.
        """

        def look() -> dict[str, _Lines]:
            found = self._first_of_row(prefixes, after)
            for prefix, told in then.items():
                told(found[prefix][0])
            return found

        self._rows.begin("", look)
        row = self._rows.take("")

        def lines_of(prefix: str) -> _Lines:
            return row()[prefix] if row is not None else self._first_page(prefix)

        for prefix in prefixes:
            self._lists.begin(prefix, partial(lines_of, prefix))

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Store the object."""
        self._forget(name)
        self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read the object, or the range."""
        whole = self._gets.take(name)
        if whole is None:
            return self._inner.get(name, offset, length)
        data = whole()
        if offset == 0 and length is None:
            return data
        return data[offset : None if length is None else offset + length]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List, from the first page that was foreseen on."""
        lines = self._lists.take(prefix)
        return self._inner.list(prefix) if lines is None else chain(*lines())

    def delete(self, name: str) -> None:
        """Delete the object."""
        self._forget(name)
        self._inner.delete(name)

    def forget_kept(self, name: str, offset: int, length: int) -> None:
        """Pass it on; what was foreseen is given out once only."""
        forget_kept(self._inner, name, offset, length)

    def close(self) -> None:
        """Wait for what is under way, and close the inner backend."""
        self._everything.close()
        self._rows.close()
        self._lists.close()
        self._gets.close()
        self._inner.close()

    def _first_page(self, prefix: str) -> _Lines:
        lines = iter(self._inner.list(prefix))
        return list(islice(lines, _PAGE)), lines

    def _first_of_row(self, prefixes: Sequence[str], after: str) -> dict[str, _Lines]:
        """The names of each prefix; of the last one a page, and how it goes on."""
        last = prefixes[-1]
        lines = iter(list_after(self._inner, "", after))
        page = list(islice(lines, _PAGE))
        while page and page[-1].name < last and (more := list(islice(lines, _PAGE))):
            page += more
        found = {
            prefix: [info for info in page if info.name.startswith(prefix)]
            for prefix in prefixes
        }
        is_over = not page or page[-1] not in found[last]
        rest = takewhile(lambda info: info.name.startswith(last), lines)
        ends = {prefix: iter(()) for prefix in prefixes}
        return {
            prefix: (names, rest if prefix == last and not is_over else ends[prefix])
            for prefix, names in found.items()
        }

    def _list_everything(self) -> _Page | None:
        lines = list(islice(self._inner.list(""), _MOST_AT_ONCE + 1))
        return lines if len(lines) <= _MOST_AT_ONCE else None

    def _forget(self, name: str) -> None:
        self._gets.take(name)
        for prefix in self._lists.names():
            if name.startswith(prefix):
                self._lists.take(prefix)
