"""The shape of the code: layers, sizes, names. What ruff and mypy cannot say."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT / "chunkvault"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 400
NAMES_WITHOUT_MEANING = {"utils", "util", "helpers", "common", "misc"}

each_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)


def is_cli(module):
    return module.is_relative_to(PACKAGE / "cli")


def calls(module):
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def imported_modules(module):
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_imports_point_downward_and_third_party_packages_have_one_home():
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [program, "--no-cache"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_module
def test_module_is_not_too_long(module):
    assert len(module.read_text().splitlines()) <= LONGEST_MODULE


@each_module
def test_module_is_named_for_what_it_holds(module):
    assert module.stem not in NAMES_WITHOUT_MEANING


@each_module
def test_module_says_what_it_is(module):
    assert ast.get_docstring(ast.parse(module.read_bytes()))


@each_module
def test_only_the_command_line_prints_and_exits(module):
    if not is_cli(module):
        forbidden = {"print", "exit", "quit", "sys.exit", "os._exit"}
        assert not forbidden & set(calls(module))


@each_module
def test_only_the_command_line_asks_the_clock(module):
    if not is_cli(module):
        forbidden = {"time.time", "time.time_ns", "datetime.now", "datetime.today"}
        assert not forbidden & set(calls(module))


@each_module
def test_module_of_ours_is_not_mocked_nor_unpickled(module):
    assert not {"pickle", "unittest.mock"} & set(imported_modules(module))


@pytest.mark.parametrize(
    "package", sorted({path.parent for path in MODULES}), ids=lambda path: path.name
)
def test_package_says_what_it_is_in_its_front_module(package):
    assert (package / "__init__.py").is_file()
