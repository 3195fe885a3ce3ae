"""Stands in for ``bin/duplicity`` in duplicity's own tests: chunkvault makes backups.

As a script it takes duplicity's command line. A backup that `CHUNKVAULT_MAKES` names is
a snapshot, and an export of it to the URL; everything else the real program does, with
the same words. So the tests run as they are.

The repository lies beside the folder that ``--archive-dir`` names, and is gone with it
when the next test begins. Those tests back up one folder after the other into one
chain, where we ask for one folder that changes: each is put in the place of the first.
"""

import os
import re
import subprocess
import sys
from argparse import Action, ArgumentParser
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["stand_in"]

_TOP = Path(__file__).resolve().parents[2]
_ENDLESS = "1000"
_RELATIVE = re.compile(
    r"""^([ \t]*(?:[-+] +)?["']?(?:ignorecase:)?+)(?!\*\*)(?=[\w*?\[])""", re.MULTILINE
)


def stand_in(program, real, makes, exported):
    """Write a program that calls this one.

    Args:
        program: where to.
        real: the duplicity that does the rest, and its option for restoring one path.
        makes: the kinds of backups that chunkvault makes, of ``full`` and ``inc``.
        exported: each export adds a line to this file.
    """
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nexport CHUNKVAULT_MAKES='{' '.join(makes)}'\n"
        f"export REAL_DUPLICITY='{real[0]}' RESTORE_OPTION='{real[1]}'\n"
        f"export EXPORTED='{exported}'\n"
        f"exec '{sys.executable}' '{__file__}' \"$@\"\n"
    )
    program.chmod(0o755)


class _Selection(Action):
    """Selection in duplicity's order; a pattern is a list of one line."""

    def __call__(self, parser, namespace, value, name=None):
        namespace.selection.append((name.replace("-globbing", ""), value))


def _parser():
    parser = ArgumentParser(allow_abbrev=False)
    for name in ("kind", "source", "url"):
        parser.add_argument(name)
    for name in ("-v0", "--no-print-statistics", "--allow-source-mismatch"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--progress", action="store_true")
    parser.add_argument("--no-encryption", action="store_true")
    parser.add_argument("--archive-dir", type=Path)
    parser.add_argument("--current-time", type=int)
    for name in ("--volsize", "--encrypt-key", "--hidden-encrypt-key", "--sign-key"):
        parser.add_argument(name)
    for kind in ("include", "exclude"):
        for what in ("", "-filelist", "-globbing-filelist", "-regexp"):
            parser.add_argument(f"--{kind}{what}", action=_Selection)
    parser.add_argument("--exclude-if-present", action=_Selection)
    parser.set_defaults(selection=[])
    return parser


def _run(*words):
    place = {**os.environ, "PYTHONPATH": str(_TOP)}
    command = [sys.executable, "-m", "chunkvault", "--quiet", *map(str, words)]
    code = subprocess.run(command, env=place, check=False).returncode
    if code:
        sys.exit(code)


def _open(top):
    """Let the environment name the repository of this test, made if there is none."""
    key = top / "device.key"
    os.environ["CHUNKVAULT_REPOSITORY"] = str(top / "repository")
    os.environ["CHUNKVAULT_CACHE_DIR"] = str(top / "cache")
    os.environ["CHUNKVAULT_KEY_FILE"] = str(key)
    if not top.exists():
        top.mkdir()
        key.write_bytes(b"k" * 32)
        key.chmod(0o600)
        _run("init")


@contextmanager
def _in_place_of_first(source, top):
    """Give this source the place of the first one that was backed up."""
    place = top / "first"
    if not place.exists():
        place.write_text(str(source))
    first = Path(place.read_text())
    if first == source:
        yield first
        return
    first.rename(top / "aside")
    source.rename(first)
    try:
        yield first
    finally:
        first.rename(source)
        (top / "aside").rename(first)


def _selection(options, top):
    """The same options, with patterns that are absolute, as ours have to be."""
    for number, (name, value) in enumerate(options):
        path = top / f"list-{number}"
        if name in ("--include", "--exclude"):
            sign = "-+"[name == "--include"]
            path.write_text(_absolute(f'{sign} "{value}"\n'))
            yield f"--filelist={path}"
        elif name.endswith("-filelist"):
            path.write_text(_absolute(Path(value).read_text()))
            yield f"{name}={path}"
        else:
            yield f"{name}={value}"


def _absolute(lines):
    return _RELATIVE.sub(lambda found: f"{found[1]}{Path.cwd()}/", lines)


def _back_up(options):
    top = options.archive_dir.parent / "chunkvault"
    _open(top)
    time = options.current_time or int(datetime.now(UTC).timestamp())
    moment = datetime.fromtimestamp(time, UTC).isoformat()
    with _in_place_of_first(Path(options.source).absolute(), top) as source:
        _run("backup", source, f"--time={moment}", *_selection(options.selection, top))
    form = [f"--volsize={options.volsize}", "--no-encryption"]
    if not options.no_encryption:
        keys = ("encrypt_key", "hidden_encrypt_key", "sign_key")
        given = [(name, getattr(options, name)) for name in keys]
        form[1:] = [f"--{n.replace('_', '-')}={key}" for n, key in given if key]
    sets = "1" if options.kind == "full" else _ENDLESS
    words = ("export", "duplicity", options.url, "--snapshot=latest")
    _run(*words, f"--full-every={sets}", *form)
    with open(os.environ["EXPORTED"], "a") as file:
        file.write(f"{options.kind}\n")


def _hand_on(words):
    real, option = os.environ["REAL_DUPLICITY"], os.environ["RESTORE_OPTION"]
    named = [option if word == "--file-to-restore" else word for word in words]
    os.execv(real, [real, *named])


def _main(words):
    is_ours = words and words[0] in os.environ["CHUNKVAULT_MAKES"].split()
    if is_ours and "--fail" not in words:
        _back_up(_parser().parse_args(words))
    else:
        _hand_on(words)


if __name__ == "__main__":
    _main(sys.argv[1:])
