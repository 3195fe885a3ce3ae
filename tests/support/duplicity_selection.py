"""Asks the real duplicity what it would select.

As a module it is the asking side. As a script it runs under the Python that has
duplicity and answers one line of JSON with another: ``{"root": …, "options":
[[option, value], …], "lists": [text, …]}`` with the sorted paths below the root, or
with ``null`` where duplicity refuses.
"""

import json
import subprocess
import sys


class RealSelection:
    """A running duplicity that answers questions about selection.

    Args:
        program: duplicity; the Python in its first line is the one that runs it.
    """

    def __init__(self, program):
        with open(program, encoding="utf-8") as file:
            python = file.readline().removeprefix("#!").split()[0]
        self._process = subprocess.Popen(
            [python, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def select(self, root, options, lists=()):
        """Relative paths that are selected below a root; None if it refuses.

        Args:
            root: an absolute path.
            options: (option, value) in their order; a file list's value is a name.
            lists: what stands in the file lists among the options.
        """
        question = {"root": root, "options": options, "lists": list(lists)}
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        with self._process:  # closes both pipes and waits
            pass


def _answer(question):
    import io

    from duplicity.path import Path
    from duplicity.selection import Select

    root = question["root"]
    select = Select(Path(root.encode("utf-8", "surrogateescape")))
    lists = [io.StringIO(text) for text in question["lists"]]
    try:
        if hasattr(select, "ParseArgs"):
            select.ParseArgs([tuple(option) for option in question["options"]], lists)
        else:
            _configure(select, question["options"], lists)
        found = [b"/".join(path.index) for path in select.set_iter()]
    except (SystemExit, Exception):  # noqa: BLE001 - whatever it says, it refuses
        return None
    return sorted(os.fsdecode(name) for name in found if name)


def _configure(select, options, lists):
    """Since 3.2 duplicity has a method for each option; the order is theirs."""
    waiting = iter(lists)
    for option, value in options:
        is_include = option.startswith("--include")
        kind = option.removeprefix("--include").removeprefix("--exclude")
        if option == "--files-from":
            select.add_files_from(next(waiting), value)
        elif kind == "":
            select.add_pattern(value, is_include)
        elif kind == "-filelist":
            select.add_filelist(next(waiting), is_include, value)
        elif kind == "-regexp":
            select.add_regexp(value, is_include)
        else:
            add = getattr(select, f"add_exclude{kind.replace('-', '_')}")
            add(value) if value else add()
    select.parse_last_excludes()


def _serve():
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    import os

    from duplicity import log

    log.setup()
    log.setverbosity(0)
    _serve()
