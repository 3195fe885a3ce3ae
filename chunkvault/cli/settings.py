"""Global options and the environment: what every command has in common.

The only reader of the environment. An option on the command line wins over its
variable. Where two sources of the secret are given on the same level, nobody can
know which one is meant, and that is an error.
"""

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from chunkvault.errors import UsageError

__all__ = [
    "GLOBAL_VALUE_OPTIONS",
    "SecretSource",
    "Settings",
    "add_global_arguments",
    "is_debugging",
    "read_settings",
]

_VALUE_OPTIONS = (
    ("-r", "--repository", "LOCATION", "where the repository is", "REPOSITORY"),
    ("--password-file", "FILE", "its first line is the password", "PASSWORD_FILE"),
    (
        "--password-command",
        "COMMAND",
        "the first line it prints is the password",
        "PASSWORD_COMMAND",
    ),
    ("--key-file", "FILE", "a device key, instead of a password", "KEY_FILE"),
    ("--cache-dir", "DIR", "where the cache is", "CACHE_DIR"),
    (
        "--connections",
        "N",
        "how many requests to a store that is not a folder at once (default: 5)",
        "CONNECTIONS",
    ),
    (
        "--limit-upload",
        "RATE",
        "send no more KiB in a second than this; 2M are MiB",
        "LIMIT_UPLOAD",
    ),
    ("--limit-download", "RATE", "the same for what is received", "LIMIT_DOWNLOAD"),
)
_SWITCHES = (
    ("--no-cache", "neither use nor fill the cache"),
    ("--no-extra-verify", "do not open again what was sealed, before it is stored"),
    ("--json", "write JSON, for programs"),
    ("-q", "--quiet", "say less"),
    ("-v", "--verbose", "name every file"),
)

GLOBAL_VALUE_OPTIONS = frozenset(
    name for *names, _, _, _ in _VALUE_OPTIONS for name in names
)
"""Global options that are followed by a value."""

_PREFIX = "CHUNKVAULT_"
_RATE = re.compile(
    r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?(?:/s)?", re.IGNORECASE | re.ASCII
)
_RATE_UNITS = {"": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_DEFAULT_CONNECTIONS = 5
_MOST_CONNECTIONS = 1000
_SECRET_KINDS = ("password", "password_file", "password_command", "key_file")
_PASSPHRASE_KINDS = ("passphrase", "passphrase_file", "passphrase_command")
_PASSPHRASE_PREFIX = _PREFIX + "DUPLICITY_"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where the password or device key comes from.

    Attributes:
        kind: ``password``, ``password_file``, ``password_command``,
            ``key_file``, or ``terminal`` where nothing was given.
        value: the password itself, the file, or the command.
    """

    kind: str
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every command has in common.

    Attributes:
        repository: location as it was given, or ``None``.
        secret: where the password or key comes from.
        passphrase: where that of an archive of duplicity comes from.
        cache_directory: ``None`` where no cache is wanted.
        is_json: machine-readable output.
        is_quiet: nothing but errors and what was asked for.
        is_verbose: every file that is handled.
        extra_verify: whether what was sealed is opened again before upload.
        use_color: whether a terminal may be sent colours.
        connections: requests to a store at once.
        upload_rate: bytes per second; ``None`` for no limit.
        download_rate: the same for what is received.
        environment: all variables but the password; for the tools of stores.
    """

    repository: str | None
    secret: SecretSource
    cache_directory: bytes | None
    passphrase: SecretSource = SecretSource("terminal")
    is_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    extra_verify: bool = True
    use_color: bool = True
    connections: int = _DEFAULT_CONNECTIONS
    upload_rate: float | None = None
    download_rate: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def add_global_arguments(parser: ArgumentParser) -> None:
    """Declare the options that every command takes."""
    group = parser.add_argument_group("global options")
    for *names, metavar, text, variable in _VALUE_OPTIONS:
        told = f"{text} ({_PREFIX}{variable})"
        group.add_argument(*names, metavar=metavar, help=told)
    for *names, text in _SWITCHES:
        group.add_argument(*names, action="store_true", help=text)


def read_settings(
    arguments: Namespace, environment: MutableMapping[str, str] | None = None
) -> Settings:
    """Join the options with the environment.

    ``CHUNKVAULT_PASSWORD`` is taken out of the environment, so that no program
    started later inherits it, and so are the passphrases of duplicity.

    Raises:
        UsageError: two sources of the secret, or a value that makes no sense.
    """
    variables = os.environ if environment is None else environment
    secret = _choose_secret(arguments, variables)
    passphrase = _choose_passphrase(arguments, variables)
    for name in (_PREFIX + "PASSWORD", _PASSPHRASE_PREFIX + "PASSPHRASE", "PASSPHRASE"):
        variables.pop(name, None)
    settings = Settings(
        repository=arguments.repository or _variable(variables, "REPOSITORY"),
        secret=secret,
        passphrase=passphrase,
        cache_directory=_choose_cache(arguments, variables),
        is_json=arguments.json,
        is_quiet=arguments.quiet,
        is_verbose=arguments.verbose,
        extra_verify=not arguments.no_extra_verify,
        use_color=not variables.get("NO_COLOR"),
        connections=_choose_connections(arguments, variables),
        upload_rate=_choose_rate(arguments, variables, "limit_upload"),
        download_rate=_choose_rate(arguments, variables, "limit_download"),
        environment=dict(variables),
    )
    if settings.is_quiet and settings.is_verbose:
        raise UsageError("--quiet and --verbose contradict each other")
    return settings


def is_debugging() -> bool:
    """Whether CHUNKVAULT_DEBUG asks for a traceback of an unexpected error."""
    return os.environ.get(_PREFIX + "DEBUG", "") not in ("", "0")


def _variable(variables: Mapping[str, str], name: str) -> str | None:
    """The value of a variable; one that is set to nothing counts as not set."""
    return variables.get(_PREFIX + name) or None


def _choose_secret(arguments: Namespace, variables: Mapping[str, str]) -> SecretSource:
    given = {kind: getattr(arguments, kind, None) for kind in _SECRET_KINDS}
    names = {kind: f"--{kind.replace('_', '-')}" for kind in _SECRET_KINDS}
    if not any(given.values()):
        given = {kind: _variable(variables, kind.upper()) for kind in _SECRET_KINDS}
        # An empty password in the variable is a password that is empty.
        given["password"] = variables.get(_PREFIX + "PASSWORD")
        names = {kind: _PREFIX + kind.upper() for kind in _SECRET_KINDS}
    return _only_source(given, names)


def _choose_passphrase(
    arguments: Namespace, variables: Mapping[str, str]
) -> SecretSource:
    """Where the passphrase of an archive comes from, if the command has use for it.

    ``PASSPHRASE`` is the variable that duplicity reads; ours win over it.
    """
    given = {kind: getattr(arguments, kind, None) for kind in _PASSPHRASE_KINDS}
    names = {kind: f"--{kind.replace('_', '-')}" for kind in _PASSPHRASE_KINDS}
    if not any(given.values()):
        names = {kind: _PASSPHRASE_PREFIX + kind.upper() for kind in _PASSPHRASE_KINDS}
        given = {kind: variables.get(name) or None for kind, name in names.items()}
    if not any(given.values()):
        given = {"passphrase": variables.get("PASSPHRASE")}
    return _only_source(given, names)


def _only_source(
    given: Mapping[str, str | None], names: Mapping[str, str]
) -> SecretSource:
    sources = {kind: value for kind, value in given.items() if value is not None}
    if len(sources) > 1:
        raise UsageError(
            f"{' and '.join(names[kind] for kind in sources)} are both set",
            hint="give the password or key in one way only",
        )
    for kind, value in sources.items():
        return SecretSource(kind, value)
    return SecretSource("terminal")


def _choose_cache(arguments: Namespace, variables: Mapping[str, str]) -> bytes | None:
    if arguments.no_cache:
        if arguments.cache_dir:
            raise UsageError("--cache-dir and --no-cache contradict each other")
        return None
    if chosen := arguments.cache_dir or _variable(variables, "CACHE_DIR"):
        return os.path.abspath(os.fsencode(chosen))
    # The specification of XDG_CACHE_HOME says to ignore a relative path.
    base = variables.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        base = os.path.expanduser("~/.cache")
    if not base.startswith("/"):
        return None  # no home, no cache: it is never needed
    return os.path.join(os.fsencode(base), b"chunkvault")


def _choose_connections(arguments: Namespace, variables: Mapping[str, str]) -> int:
    text = arguments.connections or _variable(variables, "CONNECTIONS")
    if text is None:
        return _DEFAULT_CONNECTIONS
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_CONNECTIONS:
        raise UsageError(
            f"{text!r} is no number of connections",
            hint=f"give a number from 1 to {_MOST_CONNECTIONS}",
        )
    return int(text)


def _choose_rate(
    arguments: Namespace, variables: Mapping[str, str], name: str
) -> float | None:
    """Bytes per second; a number without a unit is KiB, 0 is no limit."""
    text = getattr(arguments, name) or _variable(variables, name.upper())
    if text is None:
        return None
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is no rate",
            hint=f"write it as --{name.replace('_', '-')} 500 (KiB per second) or 2M",
        )
    return float(match[1]) * _RATE_UNITS[match[2].upper()] or None
