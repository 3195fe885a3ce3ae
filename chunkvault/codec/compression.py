"""Zstandard: compress, expand within a known size, deltas (package ``zstandard``).

A delta is a Zstandard frame whose dictionary is the base, as raw content
(RFC 8878, section 5), so repeated runs of the base cost a few bytes.
"""

import zstandard

from chunkvault.errors import DamageError

__all__ = ["MAX_EXPANDED_BYTES", "Compressor", "expand", "expand_delta"]

MAX_EXPANDED_BYTES = 32 << 20
"""Nothing in a repository is larger than this after expansion."""

_MAX_WINDOW_BYTES = 64 << 20
"""A delta's window covers base and content; whole frames need 8 MiB at most."""

_LEVEL = 3
"""Of whole frames: the default of Zstandard."""


class Compressor:
    """Compresses at one level. Holds a context: one thread at a time."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdCompressor(level=_LEVEL)

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """One Zstandard frame that states its content size."""
        return self._context.compress(data)

    def compress_delta(
        self, data: bytes | memoryview, base: bytes, level: int = _LEVEL
    ) -> bytes:
        """One Zstandard frame that `expand_delta` reads with the same base."""
        dictionary = zstandard.ZstdCompressionDict(
            base, dict_type=zstandard.DICT_TYPE_RAWCONTENT
        )
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level,
            source_size=len(data),
            dict_size=len(base),
            window_log=max(10, (len(data) + len(base)).bit_length()),
        )
        context = zstandard.ZstdCompressor(
            dict_data=dictionary, compression_params=parameters
        )
        return context.compress(data)


def expand(data: bytes | bytearray | memoryview, expanded_bytes: int) -> bytes:
    """Undo `Compressor.compress`.

    Raises:
        DamageError: not one frame of exactly ``expanded_bytes``.
    """
    _check_frame(data, expanded_bytes)
    return _expanded(zstandard.ZstdDecompressor(), data, expanded_bytes)


def expand_delta(
    data: bytes | bytearray | memoryview, base: bytes, expanded_bytes: int
) -> bytes:
    """Undo `Compressor.compress_delta`.

    Raises:
        DamageError: not one frame of exactly ``expanded_bytes``, or another base.
    """
    _check_frame(data, expanded_bytes)
    dictionary = zstandard.ZstdCompressionDict(
        base, dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
    return _expanded(
        zstandard.ZstdDecompressor(dict_data=dictionary), data, expanded_bytes
    )


def _check_frame(data: bytes | bytearray | memoryview, expanded_bytes: int) -> None:
    # The library ignores max_output_size when the frame states its size, so what
    # the header claims is checked before anything is allocated.
    try:
        header = zstandard.get_frame_parameters(data)
    except zstandard.ZstdError as error:
        raise DamageError(f"not a zstandard frame: {error}") from None
    if header.content_size != expanded_bytes or expanded_bytes > MAX_EXPANDED_BYTES:
        raise DamageError("zstandard frame of an unexpected size")
    if header.window_size > _MAX_WINDOW_BYTES or header.dict_id != 0:
        raise DamageError("zstandard frame with unexpected parameters")


def _expanded(
    context: zstandard.ZstdDecompressor,
    data: bytes | bytearray | memoryview,
    expanded_bytes: int,
) -> bytes:
    try:
        expanded = context.decompress(
            data, max_output_size=expanded_bytes, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise DamageError(f"zstandard frame is broken: {error}") from None
    if len(expanded) != expanded_bytes:
        raise DamageError("zstandard frame of an unexpected size")
    return expanded
