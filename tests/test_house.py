"""The house is built as its rules say: tests beside their modules, one name for one thing, small functions."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.helpers.places import ROOT

PACKAGE, TESTS = ROOT / "segpipe", ROOT / "tests"
Function = ast.FunctionDef | ast.AsyncFunctionDef

LEAST_MIRRORED = 0.95
MOST_PARAMETERS, MOST_LINES = 8, 50
SAME_KIND = {
    "options": "the options of a command",
    "run": "the work of a command",
    "page": "the HTML page of a command",
    "figures": "the figures of a page",
    "text": "the sentences of a page",
    "writers": "what a command writes into a folder",
    "measures": "what a command measures",
    "clusters": "the record, and how it is stored",
    "candidates": "the record, how it is stored, and how training makes it",
    "certainty": "how sure masks are: computed, stored, exported",
    "corpus": "the record, and how it is stored",
    "features": "the record, and how it is stored",
    "pairs": "the record, and how it is stored",
    "scores": "the record, and how it is stored",
    "bundle": "the record, and how it is stored",
    "class_names": "the record, and how it is stored",
    "cover": "the record, how it is stored, and how it is drawn",
    "video": "reading and writing videos, and the export of masks as one",
    "gallery": "the record, and how it is chosen",
}
"""Names that modules of several rooms share, and the one thing that each means."""


def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def has_code(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ClassDef | Function) for node in tree.body)


def mirrored(path: Path) -> Path:
    inside = path.relative_to(PACKAGE)
    if inside.name == "__init__.py":
        return TESTS / inside.parent / f"test_{inside.parent.name}.py"
    return TESTS / inside.parent / f"test_{inside.name}"


def imports(test: Path, module: str) -> bool:
    """Whether a test module imports a module of the package, or something of it."""
    for node in ast.walk(ast.parse(test.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            if node.module == module or module in names:
                return True
        if isinstance(node, ast.Import) and any(alias.name == module for alias in node.names):
            return True
    return False


def test_modules_have_their_test_at_the_mirrored_path() -> None:
    wanted = [path for path, tree in modules().items() if has_code(tree) and path.parent != PACKAGE]
    missing = []
    for path in wanted:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        test = mirrored(path)
        if not test.exists() or not (imports(test, name) or path.name == "__init__.py"):
            missing.append(f"{name}: {test.relative_to(ROOT)}")
    share = 1 - len(missing) / len(wanted)
    assert share >= LEAST_MIRRORED, f"{share:.1%} of {len(wanted)}; missing:\n" + "\n".join(missing)


def test_no_two_public_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path, tree in modules().items():
        for node in tree.body:
            if (
                isinstance(node, ast.ClassDef)
                and not node.name.startswith("_")
                and node.name not in ("Config", "Summary")
            ):
                places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert not twice


def test_no_module_has_the_name_of_another_that_means_something_else() -> None:
    places = defaultdict(list)
    for path in modules():
        if path.name != "__init__.py":
            places[path.stem].append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1 and name not in SAME_KIND}
    assert not twice


def compiled(node: Function) -> bool:
    return any("compiled" in ast.unparse(each) or "intrinsic" in ast.unparse(each) for each in node.decorator_list)


def lines_of(node: Function, text: list[str]) -> int:
    """Lines of code: without docstring, blank lines and comments."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    own = (
        text[node.lineno - 1 : body[0].lineno - 1]
        if ast.get_docstring(node) is None
        else text[node.lineno - 1 : node.body[0].lineno - 1]
    )
    own = own + text[body[0].lineno - 1 : node.end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in own)


def reason_beside(node: Function, text: list[str]) -> bool:
    """Whether a comment on the first line says why the function is larger than others."""
    return "# large:" in text[node.lineno - 1] or "# large:" in text[node.lineno - 2]


def test_functions_are_small_or_say_why_not() -> None:
    large = []
    for path, tree in modules().items():
        text = path.read_text("utf-8").splitlines()
        for node in ast.walk(tree):
            if not isinstance(node, Function) or compiled(node) or reason_beside(node, text):
                continue
            arguments = node.args
            names = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            parameters = len([name for name in names if name not in ("self", "cls")])
            lines = lines_of(node, text)
            if parameters > MOST_PARAMETERS or lines > MOST_LINES:
                large.append(
                    f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {parameters} parameters, {lines} lines"
                )
    assert not large, "\n".join(large)
