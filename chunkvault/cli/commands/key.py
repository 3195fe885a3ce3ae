"""``chunkvault key``: list, add, remove or change passwords and device keys."""

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from chunkvault.cli.context import Context
from chunkvault.cli.output import printable
from chunkvault.errors import UsageError
from chunkvault.ids import SlotId, short_hex

if TYPE_CHECKING:
    from chunkvault.repository import Passphrase, Repository

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Each key slot opens the repository on its own. A device key is a file that opens it
without a password, for cron; whoever can read the file can read the repository.

  list              show the key slots; * marks the one in use
  add               add a password, or with --device a device key
  remove SLOT       remove a slot, named by the first digits of its id
  change            replace the password in use by a new one

A new password is asked for twice, or comes from --new-password-file.

examples:
  chunkvault key list
  chunkvault key add --device ~/.config/chunkvault/device.key
  chunkvault key change --new-password-file new-password
"""

_ACTIONS = ("list", "add", "remove", "change")
_MIN_PREFIX_DIGITS = 4


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the action and what belongs to it."""
    parser.add_argument("action", choices=_ACTIONS, help="what to do")
    parser.add_argument("slot", nargs="?", metavar="SLOT", help="for remove")
    parser.add_argument(
        "--device", metavar="FILE", help="with add: make a device key in a new file"
    )
    parser.add_argument(
        "--new-password-file", metavar="FILE", help="its first line is the new password"
    )


def run(arguments: Namespace, context: Context) -> int:
    """Do one of the four."""
    _require_sense(arguments)
    actions = {"list": _list, "add": _add, "remove": _remove, "change": _change}
    with context.open_repository() as repository:
        actions[arguments.action](repository, arguments, context)
    return 0


def _require_sense(arguments: Namespace) -> None:
    action = arguments.action
    if (arguments.slot is None) == (action == "remove"):
        raise UsageError("'key remove' takes a SLOT, and nothing else does")
    if arguments.device and action != "add":
        raise UsageError("--device goes with 'key add'")
    if arguments.new_password_file and (
        action not in ("add", "change") or arguments.device
    ):
        raise UsageError("--new-password-file goes with a new password")


def _list(repository: "Repository", arguments: Namespace, context: Context) -> None:
    from chunkvault.repository import list_slots  # brings the cipher along

    del arguments
    slots = list_slots(repository.backend)
    if context.settings.is_json:
        context.output.json_array(
            {
                "id": slot.slot_id.hex(),
                "kind": "device" if slot.is_device else "password",
                "in_use": slot.slot_id == repository.slot_id,
                "problem": slot.problem or None,
            }
            for slot in slots
        )
        return
    rows = [
        [
            "*" if slot.slot_id == repository.slot_id else "",
            short_hex(slot.slot_id),
            printable(slot.problem) or ("device key" if slot.is_device else "password"),
        ]
        for slot in slots
    ]
    context.output.table(["", "slot", "kind"], rows)


def _add(repository: "Repository", arguments: Namespace, context: Context) -> None:
    if not arguments.device:
        slot_id = repository.add_slot(_new_password(arguments), "", context.now_ns)
        _tell("added", slot_id, "password", context)
        return
    from chunkvault.cli.passwords import create_key_file  # brings the cipher along

    secret = create_key_file(arguments.device)
    try:
        slot_id = repository.add_slot(secret, "", context.now_ns)
    except BaseException:
        os.unlink(arguments.device)  # it opens nothing
        raise
    _tell("added", slot_id, f"device key {printable(arguments.device)}", context)


def _remove(repository: "Repository", arguments: Namespace, context: Context) -> None:
    from chunkvault.repository import remove_slot

    slot_id = _find_slot(repository, arguments.slot)
    if slot_id == repository.slot_id:
        raise UsageError(
            "that is the key slot in use: it could not be undone",
            hint="use another password or key, and remove it then",
        )
    remove_slot(repository.backend, slot_id)
    _tell("removed", slot_id, "key slot", context)


def _change(repository: "Repository", arguments: Namespace, context: Context) -> None:
    from chunkvault.repository import list_slots, remove_slot

    old = repository.slot_id
    if any(
        slot.slot_id == old and slot.is_device
        for slot in list_slots(repository.backend)
    ):
        raise UsageError(
            "a device key is not changed", hint="add another one, and remove this one"
        )
    slot_id = repository.add_slot(_new_password(arguments), "", context.now_ns)
    remove_slot(repository.backend, old)
    _tell("changed", slot_id, "password", context)


def _new_password(arguments: Namespace) -> "Passphrase":
    from chunkvault.cli.passwords import ask_new_password, read_password_file

    if arguments.new_password_file:
        return read_password_file(arguments.new_password_file)
    return ask_new_password()


def _find_slot(repository: "Repository", wanted: str) -> SlotId:
    from chunkvault.repository import list_slots

    found = [
        slot.slot_id
        for slot in list_slots(repository.backend)
        if slot.slot_id.hex().startswith(wanted.lower())
    ]
    if len(found) == 1 and len(wanted) >= _MIN_PREFIX_DIGITS:
        return found[0]
    raise UsageError(
        f"{printable(wanted)!r} names no key slot, or more than one",
        hint="'chunkvault key list' shows them; give at least 4 digits of the id",
    )


def _tell(action: str, slot_id: SlotId, what: str, context: Context) -> None:
    if context.settings.is_json:
        from chunkvault.cli.traffic import request_fields

        fields = {"message_type": "summary", "action": action, "slot": slot_id.hex()}
        context.output.json_document({**fields, "requests": request_fields(context)})
    elif not context.settings.is_quiet:
        context.output.line(f"{action} {what} (slot {short_hex(slot_id)})")
