"""``chunkvault init``: create a repository."""

from argparse import ArgumentParser, Namespace

from chunkvault.cli.context import Context
from chunkvault.cli.output import printable
from chunkvault.errors import RepositoryExists

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Everything in a repository is encrypted. Without the password nobody can read it,
you included: keep it safe.

examples:
  chunkvault init -r /mnt/backup
  chunkvault init -r /mnt/backup --password-file ~/.backup-password
"""


def add_arguments(parser: ArgumentParser) -> None:
    """No arguments of its own."""
    del parser


def run(arguments: Namespace, context: Context) -> int:
    """Create the repository; asks twice for a password that is typed."""
    del arguments
    # Cipher and hashes come along; --help does not wait for them.
    from chunkvault.backends.location import describe
    from chunkvault.repository import create_repository

    location = printable(describe(context.location))
    with context.open_backend() as backend:
        secret = context.secret(twice=True)
        try:
            repository = create_repository(backend, secret, now_ns=context.now_ns)
        except RepositoryExists as error:
            raise RepositoryExists(
                f"{location} is not empty, or holds a repository"
            ) from error
        repository_id = repository.id.hex()
    if context.settings.is_json:
        from chunkvault.cli.traffic import request_fields

        fields = {
            "repository_id": repository_id,
            "location": location,
            "requests": request_fields(context),
        }
        context.output.json_document({"message_type": "summary", **fields})
    elif not context.settings.is_quiet:
        context.output.line(f"created repository {repository_id[:8]} at {location}")
        context.output.line("keep the password safe: without it nothing can be read")
    return 0
