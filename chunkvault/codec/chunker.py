"""FastCDC: where to cut a stream (package ``fastcdc``).

Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach",
USENIX ATC 2016. The package's function wants a whole buffer; `Chunker` says which
of its cuts hold whatever follows.
"""

from dataclasses import dataclass

from fastcdc import fastcdc

from chunkvault.errors import ChunkvaultError

__all__ = ["Chunker", "ChunkerParameters"]

if fastcdc.__module__ != "fastcdc.fastcdc_cy":  # pragma: no cover
    raise ChunkvaultError(
        "the package fastcdc runs without its compiled part, a hundred times slower",
        hint="reinstall it where a compiler or a wheel for this machine is available",
    )


@dataclass(frozen=True, slots=True)
class ChunkerParameters:
    """Sizes in bytes of the chunks that are cut; fixed for a repository."""

    minimum: int
    average: int
    maximum: int


class Chunker:
    """Cuts buffers at content-defined points. Stateless; any thread."""

    def __init__(self, parameters: ChunkerParameters) -> None:
        self._parameters = parameters

    def cut(self, data: memoryview, *, is_end: bool) -> list[int]:
        """Lengths of the chunks that ``data`` starts with.

        Unless ``is_end`` says that nothing follows, a last piece that more data
        could lengthen is left out: give it again, followed by what comes.
        The cuts do not depend on how the stream was divided into calls.
        """
        sizes = self._parameters
        pieces = fastcdc(data, sizes.minimum, sizes.average, sizes.maximum)
        lengths = [piece.length for piece in pieces]
        if lengths and not is_end and lengths[-1] < sizes.maximum:
            lengths.pop()
        return lengths
