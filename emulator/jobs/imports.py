"""What a script will import from its environment, read without running it.

Its own modules, beside it, are read as well, and an import counts wherever it stands. Must not: import anything of the script's, or
say yes to a script in which the time of an import matters: one that sets variables of its process, silences warnings, moves its
module path or patches what it imports.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

READING = ("get", "keys", "values", "items", "copy")  # of ``os.environ``, what changes nothing
EARLIER = ("putenv", "unsetenv", "set_start_method", "monkey")
FILTERS = ("filterwarnings", "simplefilter")


@dataclass
class Imports:
    """``found`` has modules, each with the names that are taken of it, in the order in which they stand: those at the top of a
    module, then those inside functions."""

    top: dict[str, list[str]] = field(default_factory=dict)
    inner: dict[str, list[str]] = field(default_factory=dict)

    @property
    def found(self) -> list[tuple[str, list[str]]]:
        return [*self.top.items(), *self.inner.items()]


def of(script: Path) -> list[tuple[str, list[str]]]:
    """The imports of ``script``; none where it cannot be read, or where they must not come before the script says so."""
    reader = _Reader(script.parent)
    try:
        reader.read(script)
    except (_TimeMatters, OSError, SyntaxError, ValueError, RecursionError):
        return []
    return reader.imports.found


class _TimeMatters(Exception):
    """Something in the script is meant to happen before an import."""


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[Path] = set()
        self.imports = Imports()

    def read(self, file: Path) -> None:
        if file in self._seen:
            return
        self._seen.add(file)
        tree = ast.parse(file.read_bytes(), str(file))
        if _time_matters(tree):
            raise _TimeMatters
        for statement, top in _imports(tree, top=True):
            for module, names in _names(statement, file, self._folder):
                self._take(module, names, self.imports.top if top else self.imports.inner)

    def _take(self, module: str, names: list[str], kept: dict[str, list[str]]) -> None:
        own = self._own(module)
        if own is None:
            if module.partition(".")[0] not in sys.stdlib_module_names:
                kept.setdefault(module, []).extend(names)
            return
        for file in (*own, *(file for name in names for file in self._own(f"{module}.{name}") or ())):
            self.read(file)

    def _own(self, module: str) -> list[Path] | None:
        """The files that importing it runs, where its first part is one of the script's own modules; else ``None``."""
        parts = module.split(".")
        first = self._folder / parts[0]
        if not first.is_dir() and not first.with_suffix(".py").is_file():
            return None
        paths = [self._folder.joinpath(*parts[: count + 1]) for count in range(len(parts))]
        return [file for path in paths for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]


def _imports(node: ast.AST, *, top: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import below ``node``, and whether it is run when the module is; not those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, top
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield from _imports(child, top=top and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _names(statement: ast.Import | ast.ImportFrom, file: Path, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each module that the statement names, by its whole name, and what it takes of it."""
    if isinstance(statement, ast.Import):
        yield from ((alias.name, []) for alias in statement.names)
        return
    module = statement.module or ""
    if statement.level:
        around = file.parent.relative_to(folder).parts
        around = around[: len(around) - statement.level + 1]
        module = ".".join((*around, *filter(None, [module])))
    if module:
        yield module, [alias.name for alias in statement.names if alias.name != "*"]


def _time_matters(tree: ast.AST) -> bool:
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return any(_changes(node, above) for node in ast.walk(tree))


def _changes(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if name == "environ":
        user = above[node]
        if isinstance(user, ast.Subscript):
            return not isinstance(user.ctx, ast.Load)
        return not (isinstance(user, ast.Compare) or isinstance(user, ast.Attribute) and user.attr in READING)
    if isinstance(node, ast.Attribute) and name == "path" and isinstance(node.value, ast.Name):
        return node.value.id == "sys"
    if name in FILTERS:
        return not _is_for_a_while(node, above)
    return name in EARLIER or (name.startswith("patch") and isinstance(above.get(node), ast.Call))


def _is_for_a_while(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether it is undone again: ``with warnings.catch_warnings()`` stands around it."""
    while (node := above.get(node, node)) in above:
        if isinstance(node, ast.With) and "catch_warnings" in ast.dump(
            ast.Tuple([one.context_expr for one in node.items])
        ):
            return True
    return False
