"""How the package is built: every module has its test at the mirrored path, names are used once, functions stay small.

The lists of exceptions may only shrink: an entry that is no longer needed fails too.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "segpipe"

LEAST = 0.97
"""Share of modules whose test lies at the mirrored path and imports them."""

PARAMETERS, LINES = 8, 50
COMPILED = {"compiled", "compiled_sums", "njit", "intrinsic"}
"""Decorators of numba: what they compile takes arrays one by one and may be long."""

CLASSES_OF_EACH_ROOM = {
    "Config": "the settings of a stage, one per stage",
    "Summary": "what a stage tells of its work, one per stage",
    "Options": "the options of a command, one per command",
}
CLASSES_USED_TWICE: set[str] = set()
"""To be renamed."""

STEMS_OF_EACH_ROOM = {
    "options": "the options of a command",
    "__init__": "every package has one",
    "run": "the work of a command",
    "page": "the HTML page of a command",
    "figures": "the figures of a page",
    "text": "the sentences of a page",
    "writers": "the files of a command",
    "tables": "tables of a terminal, of a page",
}
STEMS_USED_TWICE = {
    "bundle": "a command, its record, its file",
    "candidates": "a record and its files",
    "certainty": "arrays, files, an export format",
    "class_names": "a record and its files",
    "clusters": "a record and its files",
    "corpus": "a record and its files",
    "cover": "a record, its files, its figure, a stage",
    "features": "a record and its files",
    "gallery": "a record, and the arrays that choose it",
    "guide": "a record and its file",
    "kept": "a record and its files",
    "pairs": "a record and its files",
    "scores": "a record and its files",
    "video": "files in, and an export format",
}
"""An artefact has a record (what it is), a store (how it is written) and perhaps a figure or a format."""

LARGE_FUNCTIONS: dict[str, str] = {}
"""module.function: why it has more parameters or lines than others."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def has_code(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in tree.body)


def test_of(path: Path) -> Path:
    """`segpipe/a/b.py` -> `tests/a/test_b.py`, `segpipe/a/b/__init__.py` -> `tests/a/b/test_b.py`."""
    folder = path.parent.relative_to(PACKAGE)
    stem = path.parent.name if path.stem == "__init__" else path.stem
    return ROOT / "tests" / folder / f"test_{stem}.py"


test_of.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test by its name


def imports_of(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_modules_have_their_test_at_the_mirrored_path() -> None:
    counted = [path for path in modules() if path.stem != "__main__" and has_code(tree_of(path))]
    without = [
        f"{name_of(path)}: {test.relative_to(ROOT)} {'does not import it' if test.exists() else 'is missing'}"
        for path in counted
        if not (test := test_of(path)).exists() or name_of(path) not in imports_of(tree_of(test))
    ]
    share = 1 - len(without) / len(counted)
    assert share >= LEAST, f"{share:.3f} of {len(counted)} modules have their test:\n" + "\n".join(without)


def test_public_classes_have_names_of_their_own() -> None:
    homes = defaultdict[str, list[str]](list)
    for path in modules():
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name_of(path))
    twice = {name: found for name, found in homes.items() if len(found) > 1 and name not in CLASSES_OF_EACH_ROOM}
    assert not twice.keys() - CLASSES_USED_TWICE, twice
    assert not CLASSES_USED_TWICE - twice.keys(), "take these out of the list"


Function = ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(node: Function, text: list[str]) -> int:
    """Lines that hold a statement or a part of one: neither docstrings nor blank lines nor comments."""
    docstrings = {
        line
        for inner in ast.walk(node)
        if isinstance(inner, Function | ast.ClassDef) and ast.get_docstring(inner)
        for line in range(inner.body[0].lineno, (inner.body[0].end_lineno or 0) + 1)
    }
    lines = range(node.lineno, (node.end_lineno or 0) + 1)
    return sum(n not in docstrings and not re.match(r"\s*(#|$)", text[n - 1]) for n in lines)


def parameters(node: Function) -> int:
    spec = node.args
    names = [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_functions_are_small() -> None:
    large = {}
    for path in modules():
        text = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, Function):
                continue
            if COMPILED & {ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in node.decorator_list}:
                continue
            count, size = parameters(node), code_lines(node, text)
            if count > PARAMETERS or size > LINES:
                large[f"{name_of(path)}.{node.name}"] = f"{count} parameters, {size} lines"
    assert not large.keys() - LARGE_FUNCTIONS.keys(), {k: large[k] for k in large.keys() - LARGE_FUNCTIONS.keys()}
    assert not LARGE_FUNCTIONS.keys() - large.keys(), "take these out of the list"


def test_modules_have_names_of_their_own() -> None:
    homes = defaultdict[str, list[str]](list)
    for path in modules():
        homes[path.stem].append(name_of(path))
    twice = {stem: found for stem, found in homes.items() if len(found) > 1 and stem not in STEMS_OF_EACH_ROOM}
    assert not twice.keys() - STEMS_USED_TWICE.keys(), {k: twice[k] for k in twice.keys() - STEMS_USED_TWICE.keys()}
    assert not STEMS_USED_TWICE.keys() - twice.keys(), "take these out of the list"
