"""Find what a module imports by reading its source, without running it."""

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["imported_modules", "imports_of", "source_of", "statements"]


def source_of(module: str) -> Path:
    """The source file of a module or package. Raises ValueError if there is none."""
    found = _find(module)
    if found is None:
        raise ValueError(f"Module {module} has no source file")
    return found


def imports_of(module: str, *, types: bool = False) -> frozenset[str]:
    """The modules of the same top-level package that a module imports, at its top or in functions.

    A package's ``__init__.py`` may import a name only to re-export it. An import of such a name
    counts as an import of the module that defines it. Imports under ``if TYPE_CHECKING`` count only
    with ``types``. Relative imports do not count.

    Raises ValueError if the module has no source, or if it imports a name from a module that does
    not exist.
    """
    top = module.partition(".")[0]
    return frozenset(
        target
        for target in _targets(ast.parse(source_of(module).read_bytes()), top, types)
        if target != module
    )


def imported_modules(*modules: str) -> frozenset[str]:
    """The modules, and all modules of their top-level package that they import, directly or not."""
    known: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in known:
            known.add(module)
            waiting += _runtime_imports(module)
    return frozenset(known)


def statements(tree: ast.AST, *, types: bool) -> Iterator[ast.AST]:
    """All nodes of a syntax tree except expressions, which cannot contain statements.

    Statements under ``if TYPE_CHECKING`` are included only with ``types``.
    """
    waiting = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.expr) or (not types and _is_for_types(node)):
                continue
            yield node
            waiting.append(node)


@cache
def _runtime_imports(module: str) -> frozenset[str]:
    return imports_of(module)


def _find(module: str) -> Path | None:
    """The source file of a module or package; None if there is none."""
    top, *parts = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    if not parts:
        return Path(spec.origin)
    if not spec.submodule_search_locations:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def _targets(tree: ast.AST, top: str, types: bool) -> Iterator[str]:
    """The modules of the package ``top`` that the statements of a tree import."""
    for node in statements(tree, types=types):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if _is_own(name.name, top))
        elif isinstance(node, ast.ImportFrom) and not node.level and _is_own(node.module, top):
            yield from (_home(str(node.module), name.name) for name in node.names)


def _is_for_types(node: ast.AST) -> bool:
    """Whether a node is an ``if TYPE_CHECKING``."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _is_own(module: str | None, top: str) -> bool:
    """Whether a module is in the package ``top``."""
    return module is not None and f"{module}.".startswith(f"{top}.")


def _home(module: str, name: str) -> str:
    """The module that defines the name in ``from module import name``."""
    if _find(f"{module}.{name}"):
        return f"{module}.{name}"
    origin = _passed_on(module).get(name)
    return _home(*origin) if origin else module


@cache
def _passed_on(module: str) -> dict[str, tuple[str, str]]:
    """The names that a package re-exports, each with the module it is from and its name there.

    A package that imports names on first use lists them under ``if TYPE_CHECKING``.
    """
    path = source_of(module)
    if path.name != "__init__.py":
        return {}
    top = module.partition(".")[0]
    return {
        name.asname or name.name: (str(node.module), name.name)
        for node in statements(ast.parse(path.read_bytes()), types=True)
        if isinstance(node, ast.ImportFrom) and not node.level and _is_own(node.module, top)
        for name in node.names
    }
