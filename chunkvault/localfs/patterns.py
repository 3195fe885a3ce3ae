"""Which paths a backup leaves out: rules as in a ``.gitignore``.

A rule is one line. An exclude is the pattern itself, an include is the pattern
behind ``!``; of the rules that match a path the last one wins. The root of the
file system stands where git has the top of its work tree:

* ``/home/*/tmp``, with a slash in front, is an absolute path;
* ``home/*/tmp``, with a slash inside, is the same: anchored at ``/``;
* ``*.o``, without a slash, matches the name anywhere;
* ``cache/``, with a slash behind, matches directories only;
* ``**`` stands for any number of directories.

A directory that is excluded is not entered, so nothing below it can be included
again. Names are bytes: ``?`` and ``[…]`` stand for one byte, as in git.
"""

import itertools
import os
import re
import string
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from chunkvault.errors import UsageError

__all__ = ["Selection", "read_rules"]

_HINT = (
    "patterns are written as in .gitignore and compared with absolute paths; "
    "a leading '#' or '!' of a name and '*', '?', '[' are escaped with '\\'"
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE = re.compile(rb"((?:\\.|[^\\])*?) *", re.DOTALL)
"""A line without the spaces at its end, but for those behind a backslash."""

_WILDCARD = re.compile(rb"[*?\[\\]")
_MASKED = b"\0"
_MASK = re.compile(
    rb"""
    \\ (?P<escaped> [^/] )
    | \[ (?P<negation> [!^]?+ )
         (?P<members> (?: \[:[^]]*:\] | \\. | [^\\] )
                      (?: \[:[^]]*:\] | \\. | [^\]\\] )* )
      \]
    | (?P<plain> [^!-~] )
    """,
    re.DOTALL | re.VERBOSE,
)
"""What the library does not read as git does: see `_translate`."""

_STARS = re.compile(rb"\*{3,}")
"""To git as good as two; the library takes two only for any number of directories."""

_MEMBER = re.compile(
    rb"\[:(?P<class_name>[^]]*):\]"
    rb"|(?P<first>\\.|.)-(?P<last>\\.|.)"
    rb"|(?P<single>\\.|.)",
    re.DOTALL,
)
_CLASSES = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": " \t",
    b"cntrl": "".join(map(chr, [*range(32), 127])),
    b"digit": string.digits,
    b"graph": "".join(map(chr, range(33, 127))),
    b"lower": string.ascii_lowercase,
    b"print": "".join(map(chr, range(32, 127))),
    b"punct": string.punctuation,
    b"space": string.whitespace,
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}

_ANY_PARENTS = b"^(?:.+/)?"
_TAILS = (
    (b"(?:(?P<ps_d>/)|$)", b""),
    (b"/", b"/.+"),
    (b".", b".+"),
)
"""How the library's expressions end, and what the path itself must look like."""

_Match = Callable[[bytes], object]


class _Rule(NamedTuple):
    """One rule, ready to be put together with its neighbours.

    Attributes:
        is_exclude: or an include.
        is_path: compared with the whole path rather than with the name.
        literals: what it matches exactly, where it has no wildcards.
        expression: what it matches otherwise; empty where it has none.
    """

    is_exclude: bool
    is_path: bool
    literals: tuple[bytes, ...]
    expression: bytes


class _Group(NamedTuple):
    """Neighbouring rules of one sign: whichever matches, the answer is the same."""

    is_exclude: bool
    names: frozenset[bytes]
    paths: frozenset[bytes]
    match_name: _Match
    match_path: _Match


class Selection:
    """The rules of a backup, compiled. Any thread may ask."""

    __slots__ = ("_groups",)

    def __init__(self, groups: Sequence[_Group]) -> None:
        """Take compiled rules, the last group first; use `of`."""
        self._groups = tuple(groups)

    @classmethod
    def of(cls, rules: Sequence[str]) -> "Selection":
        """Compile rules; see the module for what they mean.

        Raises:
            UsageError: a rule is malformed or cannot match anything.
        """
        runs = itertools.groupby(map(_parse, rules), key=lambda rule: rule.is_exclude)
        groups = [_combine(is_exclude, list(run)) for is_exclude, run in runs]
        return cls(groups[::-1])

    @property
    def is_empty(self) -> bool:
        """Whether there are no rules, so that nothing needs to be asked."""
        return not self._groups

    def excludes(self, path: bytes, is_directory: bool) -> bool:  # noqa: FBT001 (hot path)
        """Whether an absolute path is left out, with all below it.

        The directories above are not considered: what lies in an excluded one
        is not asked for.
        """
        if path == b"/":
            return False
        subject = path[1:] + b"/" if is_directory else path[1:]
        name = subject[path.rfind(b"/") :]
        for is_exclude, names, paths, match_name, match_path in self._groups:
            if (
                name in names
                or subject in paths
                or match_name(name)
                or match_path(subject)
            ):
                return is_exclude
        return False


def read_rules(text: bytes) -> list[str]:
    """The rules in a file of them, without its comments and blank lines."""
    rules: list[str] = []
    for line in text.removeprefix(_BYTE_ORDER_MARK).split(b"\n"):
        if line.startswith(b"#"):
            continue
        match = _LINE.fullmatch(line.removesuffix(b"\r"))
        rule = match[1] if match else line
        if rule:
            rules.append(os.fsdecode(rule))
    return rules


def _combine(is_exclude: bool, rules: Sequence[_Rule]) -> _Group:  # noqa: FBT001 (a field)
    def literals(*, is_path: bool) -> frozenset[bytes]:
        return frozenset(
            text for rule in rules if rule.is_path == is_path for text in rule.literals
        )

    def match(*, is_path: bool) -> _Match:
        expressions = [
            b"(?:%s)" % rule.expression
            for rule in rules
            if rule.is_path == is_path and rule.expression
        ]
        return re.compile(b"|".join(expressions) or b"(?!)", re.DOTALL).fullmatch

    return _Group(
        is_exclude,
        literals(is_path=False),
        literals(is_path=True),
        match(is_path=False),
        match(is_path=True),
    )


def _parse(rule: str) -> _Rule:
    line = os.fsencode(rule)
    body = line.removeprefix(b"!")
    text = body.removesuffix(b"/")
    is_path = b"/" in text
    components = text.removeprefix(b"/").split(b"/")
    if line.startswith(b"#") or not {b"", b".", b".."}.isdisjoint(components):
        raise UsageError(f"pattern {rule!r} matches nothing", hint=_HINT)
    ends = (b"/",) if body != text else (b"", b"/")
    literals: tuple[bytes, ...] = ()
    expression = b""
    if _WILDCARD.search(text):
        try:
            expression = _translate(line.removesuffix(b"/"))
        except ValueError as error:
            raise UsageError(f"pattern {rule!r} is malformed", hint=_HINT) from error
        if not is_path:
            expression = expression.removeprefix(_ANY_PARENTS)
        expression += b"/" if body != text else b"/?"
    else:
        literals = tuple(text.removeprefix(b"/") + end for end in ends)
    return _Rule(body == line, is_path, literals, expression)


def _translate(pattern: bytes) -> bytes:
    """The regular expression for the path itself, directories without their slash.

    The library knows the structure of a pattern, but differs from git in single
    bytes: its brackets match slashes and know no escapes and no classes, and it
    strips more than spaces at the end. Those are masked before and put back
    translated. Its expressions also match whatever lies below; that is cut off,
    or else ``!/a`` would include again what ``/a/b`` excludes.

    Raises:
        ValueError: the pattern is malformed.
    """
    originals = (_translate_masked(match) for match in _MASK.finditer(pattern))
    masked = _STARS.sub(b"**", _MASK.sub(_MASKED, pattern))
    regex, _ = GitIgnoreSpecPattern.pattern_to_regex(masked)
    if regex is None:
        raise ValueError("bracket without end")
    for tail, replacement in _TAILS:
        if regex.endswith(tail):
            regex = regex.removesuffix(tail) or (b".+" if tail == b"/" else b"")
            return _unmask(regex + replacement, originals)
    raise RuntimeError(f"pathspec gave an expression of a new form: {regex!r}")


def _unmask(regex: bytes, originals: Iterator[bytes]) -> bytes:
    return re.sub(_MASKED, lambda _: next(originals), regex)


def _translate_masked(match: re.Match[bytes]) -> bytes:
    literal = match["escaped"] or match["plain"]
    if literal:
        return re.escape(literal)
    members = _bracket_members(match["members"])
    if match["negation"]:
        members = set(range(256)) - members
    members.discard(ord("/"))
    if not members:
        return b"(?!)"
    return b"[%s]" % b"".join(b"\\x%02x" % member for member in sorted(members))


def _bracket_members(text: bytes) -> set[int]:
    members: set[int] = set()
    for match in _MEMBER.finditer(text):
        if match["class_name"] is not None:
            members.update(_class_members(match["class_name"]))
        elif match["single"]:
            members.add(match["single"][-1])
        else:
            first, last = match["first"][-1], match["last"][-1]
            members.update({first}, range(first, last + 1))
    return members


def _class_members(name: bytes) -> bytes:
    if name not in _CLASSES:
        raise ValueError("unknown class of characters")
    return _CLASSES[name].encode()
