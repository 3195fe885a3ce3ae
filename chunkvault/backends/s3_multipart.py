"""Objects too large for one request.

Parts that were sent are billed until somebody finishes or aborts their upload, and
no listing of objects shows them: `chunkvault.backends.s3_upkeep` finds them.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from chunkvault.backends.body import Body
from chunkvault.backends.pace import Pace
from chunkvault.backends.s3_checksums import algorithm_arguments, checksum_arguments
from chunkvault.errors import BackendError

__all__ = ["upload_in_parts"]

Ask = Callable[..., Any]
"""Makes a request: the operation, then its arguments by name."""

_PART_BYTES = 16 << 20
_MAX_PARTS = 10_000


def upload_in_parts(
    ask: Ask,
    data: memoryview,
    pace: Pace,
    arguments: dict[str, Any],
    *,
    keeps_checksums: bool,
) -> None:
    """Send an object part by part; whole or absent also when this is interrupted.

    Args:
        ask: makes requests about this object.
        data: all of it; only views of it are made.
        pace: at which it is sent.
        arguments: for the object, such as its class.
        keeps_checksums: whether the server has checksums of its own.

    Raises:
        BackendError: a part could not be sent; the others are removed.
    """
    arguments = arguments | algorithm_arguments(is_kept=keeps_checksums)
    upload = ask("create_multipart_upload", **arguments)["UploadId"]
    try:
        parts = [
            _send(
                ask,
                Body(part, pace),
                UploadId=upload,
                PartNumber=number,
                **checksum_arguments(part, is_kept=keeps_checksums),
            )
            for number, part in enumerate(_cut(data), 1)
        ]
        ask(
            "complete_multipart_upload",
            UploadId=upload,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )
    except BaseException:
        with suppress(BackendError):  # what is left is found by prune
            ask("abort_multipart_upload", UploadId=upload)
        raise


def _cut(data: memoryview) -> Iterator[memoryview]:
    step = max(_PART_BYTES, -(-len(data) // _MAX_PARTS))
    return (data[start : start + step] for start in range(0, len(data), step))


def _send(ask: Ask, body: Body, **which: object) -> dict[str, Any]:
    answer = ask("upload_part", Body=body, **which)
    checksums = {key: answer[key] for key in answer if key.startswith("Checksum")}
    checksums.pop("ChecksumType", None)
    return {"PartNumber": which["PartNumber"], "ETag": answer["ETag"], **checksums}
