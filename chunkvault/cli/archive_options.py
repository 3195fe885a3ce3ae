"""Options of the commands that read or write archives of duplicity."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from chunkvault.cli.context import Context
from chunkvault.errors import UsageError

if TYPE_CHECKING:
    from chunkvault.duplicity.gpg import GpgOptions
    from chunkvault.duplicity.names import Prefixes

__all__ = [
    "DEFAULT_S2K_COUNT",
    "add_encryption_arguments",
    "add_gpg_arguments",
    "add_prefix_arguments",
    "encryption_options",
    "gpg_options",
    "prefixes",
]

DEFAULT_S2K_COUNT = 65011712
"""How often gpg hashes a passphrase, unless it is told else."""

_LEAST_S2K_COUNT = 1024
_STRONG_LENGTH = 24
_STRONG_CHARACTERS = 12
_GENERATED_BYTES = 20

_PREFIXES = (
    ("--file-prefix", "all files"),
    ("--file-prefix-archive", "volumes, after the one of all"),
    ("--file-prefix-manifest", "manifests, the same"),
    ("--file-prefix-signature", "signatures, the same"),
)


def add_gpg_arguments(parser: ArgumentParser) -> None:
    """Declare where passphrase and keys come from; never the passphrase itself."""
    group = parser.add_argument_group("encryption of the archive")
    group.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="its first line is the passphrase (CHUNKVAULT_DUPLICITY_PASSPHRASE_FILE)",
    )
    group.add_argument(
        "--passphrase-command",
        metavar="COMMAND",
        help="the first line it prints is the passphrase"
        " (CHUNKVAULT_DUPLICITY_PASSPHRASE_COMMAND)",
    )
    group.add_argument(
        "--gpg-home", metavar="DIR", help="gpg's folder of keys, instead of ~/.gnupg"
    )
    group.add_argument(
        "--gpg-program", metavar="FILE", default="gpg", help="which gpg to run"
    )


def add_prefix_arguments(parser: ArgumentParser) -> None:
    """Declare what stands in front of the names of the archive's files."""
    group = parser.add_argument_group("names in the archive")
    for option, what in _PREFIXES:
        group.add_argument(
            option, metavar="TEXT", default="", help=f"in front of the names of {what}"
        )


def add_encryption_arguments(parser: ArgumentParser) -> None:
    """Declare how files are encrypted and signed."""
    group = parser.add_argument_group("how the archive is encrypted")
    group.add_argument(
        "--no-encryption", action="store_true", help="write it for all to read"
    )
    for option, what in (
        ("--encrypt-key", "encrypt to this key, instead of by passphrase"),
        ("--hidden-encrypt-key", "the same, and the files do not name the key"),
    ):
        group.add_argument(
            option,
            metavar="ID",
            action="append",
            default=[],
            help=f"{what}; may be given several times",
        )
    group.add_argument("--sign-key", metavar="ID", help="sign the files by this key")
    group.add_argument(
        "--generate-passphrase",
        metavar="FILE",
        help="draw a passphrase at random, and write it to a new file",
    )
    group.add_argument(
        "--s2k-count",
        metavar="N",
        help="hash the passphrase so often; low only with one that was drawn",
    )


def encryption_options(
    arguments: Namespace, context: Context, *, is_new: bool, needs_passphrase: bool
) -> "GpgOptions | None":
    """How the files of an archive are encrypted; None for not at all.

    Args:
        arguments: with what `add_gpg_arguments` and `add_encryption_arguments`
            declared.
        context: knows where the passphrase comes from.
        is_new: there is no archive yet, so a slip would lock its owner out.
        needs_passphrase: it is asked for if it was not given.

    Raises:
        UsageError: the options contradict each other, or the passphrase is not
            strong enough for them.
    """
    keys, hidden = arguments.encrypt_key, arguments.hidden_encrypt_key
    if arguments.no_encryption:
        if keys or hidden or arguments.sign_key or arguments.generate_passphrase:
            raise UsageError(
                "--no-encryption contradicts the keys that are given",
                hint="leave out the one or the other",
            )
        return None
    options = replace(
        gpg_options(arguments, context),
        recipients=tuple(keys),
        hidden_recipients=tuple(hidden),
        sign_key=arguments.sign_key,
        s2k_count=_read_s2k_count(arguments),
        # We compress ourselves, and faster, where nothing has to be signed.
        adds_literal=bool(arguments.sign_key or arguments.no_compression),
        compress=bool(arguments.sign_key) and not arguments.no_compression,
    )
    if arguments.generate_passphrase:
        options = replace(options, passphrase=_generate_passphrase(arguments, options))
    elif not (keys or hidden) and options.passphrase is None and needs_passphrase:
        from chunkvault.cli.passwords import ask_passphrase  # brings the cipher along

        options = replace(options, passphrase=ask_passphrase(twice=is_new))
    _require_strong(options)
    return options


def gpg_options(arguments: Namespace, context: Context) -> "GpgOptions":
    """How gpg is run, with the passphrase if one was given."""
    from chunkvault.cli.passwords import read_passphrase  # brings the cipher along
    from chunkvault.duplicity.gpg import GpgOptions

    home = arguments.gpg_home
    return GpgOptions(
        passphrase=read_passphrase(context.settings.passphrase),
        program=arguments.gpg_program,
        home=None if home is None else os.path.abspath(os.fsencode(home)),
    )


def prefixes(arguments: Namespace) -> "Prefixes":
    """What stands in front of names."""
    from chunkvault.duplicity.names import Prefixes

    return Prefixes(
        arguments.file_prefix,
        arguments.file_prefix_archive,
        arguments.file_prefix_manifest,
        arguments.file_prefix_signature,
    )


def _read_s2k_count(arguments: Namespace) -> int | None:
    text = arguments.s2k_count
    if text is None:
        return None
    if arguments.encrypt_key or arguments.hidden_encrypt_key:
        raise UsageError(
            "--s2k-count goes with a passphrase, not with keys",
            hint="leave it out: with keys nothing is stretched",
        )
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_number or not _LEAST_S2K_COUNT <= int(text) <= DEFAULT_S2K_COUNT:
        raise UsageError(
            f"{text!r} is not a count for --s2k-count",
            hint=f"it takes a number from {_LEAST_S2K_COUNT} to {DEFAULT_S2K_COUNT}",
        )
    return int(text)


def _generate_passphrase(arguments: Namespace, options: "GpgOptions") -> bytes:
    """160 random bits as 32 letters and digits, in a file for its owner alone."""
    import base64

    from chunkvault.cli.passwords import create_secret_file

    if options.passphrase is not None or options.recipients:
        raise UsageError(
            "--generate-passphrase contradicts what else was given",
            hint="with keys, or a passphrase of your own, none has to be drawn",
        )
    drawn = base64.b32encode(os.urandom(_GENERATED_BYTES)).lower()
    create_secret_file(arguments.generate_passphrase, drawn + b"\n", "passphrase")
    return drawn


def _require_strong(options: "GpgOptions") -> None:
    """A low count is fine where no guessing helps, however fast."""
    count, passphrase = options.s2k_count, options.passphrase
    if count is None or count >= DEFAULT_S2K_COUNT or passphrase is None:
        return
    is_strong = len(passphrase) >= _STRONG_LENGTH
    if not is_strong or len(set(passphrase)) < _STRONG_CHARACTERS:
        raise UsageError(
            "the passphrase is too weak for a low --s2k-count: it could be guessed",
            hint="let --generate-passphrase FILE draw one, or leave --s2k-count out",
        )
