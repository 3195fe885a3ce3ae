"""Shell patterns as duplicity reads them, for people who bring its file lists.

A pattern is compared with a whole path. ``*`` and ``?`` stop at a slash, ``**``
does not; ``[ab]``, ``[!ab]`` and ``[a-c]`` work, and nothing escapes. What fits a
directory fits all below it. A slash at the end wants a directory; ``ignorecase:``
in front ignores the case of letters. The reference is the behaviour of duplicity
0.8 and 3.2, against which ``tests/property/test_duplicity_selection.py`` runs.
"""

import re

from chunkvault.errors import UsageError

__all__ = ["Glob"]

_IGNORE_CASE = "ignorecase:"
_TOKEN = re.compile(
    r"(?P<any>\*\*)|(?P<star>\*)|(?P<one>\?)"
    # possessive: a bracket without its end is an ordinary character
    r"|\[(?P<negation>[!^]?+)(?P<members>\]?+[^\]]*+)\]"
    r"|(?P<plain>.)",
    re.DOTALL,
)
_SPECIAL_MEMBER = re.compile(r"[\\\[\]&|~^]")


class Glob:
    """One pattern, compiled."""

    __slots__ = ("_is_exact", "_is_inside", "_leads_to")

    def __init__(self, text: str) -> None:
        """Compile a pattern.

        Raises:
            UsageError: it is empty, has two slashes in a row, or a range that is
                none.
        """
        body = _without_prefix(text)
        if not body:
            raise UsageError("a pattern is empty")
        flags = re.DOTALL | (re.IGNORECASE if body is not text else 0)
        wants_directory = body.endswith("/") and body != "/"
        body = "/**" if body == "/" else body.removesuffix("/")
        expression = _translate(body, text)
        # Python's "$" rather than "\Z": duplicity, too, lets a line end follow.
        self._is_inside = re.compile(f"{expression}(?:$|/)", flags).match
        self._is_exact = re.compile(f"{expression}$", flags).match
        if not wants_directory:
            self._is_exact = re.compile("(?!)").match
        self._leads_to = re.compile(f"(?:{_ways(body, text)})$", flags).match

    def fits(self, path: str, *, is_directory: bool) -> bool:
        """Whether it fits the path or a directory above it."""
        if not self._is_inside(path):
            return False
        return is_directory or not self._is_exact(path)

    def leads_to(self, path: str) -> bool:
        """Whether something below the path may fit, though the path does not."""
        return not self._is_inside(path) and self._leads_to(path) is not None


def _without_prefix(text: str) -> str:
    if text[: len(_IGNORE_CASE)].lower() == _IGNORE_CASE:
        return text[len(_IGNORE_CASE) :]
    return text


def _ways(body: str, text: str) -> str:
    """Expressions for the directories on the way to what fits.

    Behind ``**`` anything may follow, so nothing more is asked there.
    """
    start, stars, _ = body.partition("**")
    components = (start + stars).split("/")
    if "" in components[1:-1]:
        raise UsageError(f"pattern {text!r} has two slashes in a row")
    ends = range(1, len(components) + 1)
    ways = ("/".join(components[:end]) or "/" for end in ends)
    return "|".join(_translate(way, text) for way in ways)


def _translate(body: str, text: str) -> str:
    expression = "".join(map(_translate_token, _TOKEN.finditer(body)))
    try:
        re.compile(expression)
    except re.error as error:
        raise UsageError(f"pattern {text!r} is malformed: {error}") from None
    return expression


def _translate_token(token: re.Match[str]) -> str:
    if token["any"]:
        return ".*"
    if token["star"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["plain"]:
        return re.escape(token["plain"])
    members = _SPECIAL_MEMBER.sub(r"\\\g<0>", token["members"])
    return f"[{'^' if token['negation'] else ''}{members}]"
