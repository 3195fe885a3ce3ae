"""librsync signatures, of which an exported archive needs only the empty one.

duplicity compares times, owners and modes to find what has changed. The signature
of a file's content serves to make a small delta of a file that did change. One
without a single block is valid: the next delta then carries the whole file, and
from then on deltas are small again. So no content has to be read for it.

Source: ``doc/formats.md`` of librsync; the values are those duplicity writes.
"""

__all__ = ["NULL_SIGNATURE"]

_MAGIC_MD4 = 0x72730136
_BLOCK_BYTES = 512
_STRONG_BYTES = 8

NULL_SIGNATURE = b"".join(
    number.to_bytes(4, "big") for number in (_MAGIC_MD4, _BLOCK_BYTES, _STRONG_BYTES)
)
"""The signature of an empty file, and a valid one of every other."""
