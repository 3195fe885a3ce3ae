"""Format chapter 1, continued: sizes that tell the storage little.

Full volumes are rounded up to a multiple of 128 KiB; everything smaller follows
Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
Communication with PURBs", 2019, section 4): at most 12 %, and O(log log n)
bits told.
"""

__all__ = ["MAX_PADDING", "padded_size"]

_FULL_BYTES = 8 << 20
_CLASS_BYTES = 128 << 10

MAX_PADDING = 2 << 20
"""No writer adds more than this to one object."""


def padded_size(size: int) -> int:
    """The size class of an object of ``size`` bytes: never smaller than it."""
    if size >= _FULL_BYTES:
        return -(-size // _CLASS_BYTES) * _CLASS_BYTES
    return _padme(size)


def _padme(size: int) -> int:
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    kept_bits = exponent.bit_length()
    mask = (1 << (exponent - kept_bits)) - 1 if exponent > kept_bits else 0
    return (size + mask) & ~mask
