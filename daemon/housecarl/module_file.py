"""A module file: loaded by its path under a private name, its faults told as file:line."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
import stat
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from io import BytesIO
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from housecarl.errors import ModuleError
from housecarl.shipped import shipped

#: modules live under this name in `sys.modules`: an `email.py` of a user's folder hides nothing
PREFIX = "_housecarl_modules"
#: what a module that was loaded from a file was made of: a worker process runs just that, however
#: the file was changed, half saved or removed since
SOURCE = "__housecarl_source__"
#: bytes; the largest file that is read as a module
LARGEST = 1 << 20


def private_name(path: Path) -> str:
    """The name of a file in `sys.modules`: the same in every process, another for every folder."""
    from hashlib import blake2s

    mark = blake2s(str(path).encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{PREFIX}.{path.stem}_{mark}"


def load(path: Path, name: str, source: bytes | None = None) -> ModuleType:
    """Execute a file as module `name`; raises ModuleError with file:line and leaves nothing behind.

    Whatever the file raises, SystemExit too, becomes a ModuleError. `source` is what is executed in
    place of what the file holds now.
    """
    if source is None:
        source = read(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ModuleError(f"{path}:1: not a Python file")
    module = importlib.util.module_from_spec(spec)
    if path.parent != shipped("modules"):
        setattr(module, SOURCE, source)
    register(name, module)
    try:
        exec(_code(path, name, source), module.__dict__)
    except BaseException as error:  # sys.exit in a module must not end the daemon
        forget(name)
        raise ModuleError(f"{fault(error, path)}{_mend(error, path)}") from error
    return module


def register(name: str, module: ModuleType) -> None:
    """Put a module into `sys.modules`, before it runs: dataclasses and pickle look it up there."""
    if PREFIX not in sys.modules:
        parent = ModuleType(PREFIX, "The modules that housecarl loaded by path.")
        parent.__path__ = []
        sys.modules[PREFIX] = parent
    sys.modules[name] = module


def forget(name: str) -> None:
    """Take a module out of `sys.modules`; what still runs keeps it."""
    sys.modules.pop(name, None)


def source_of(function: Callable[..., Any]) -> bytes | None:
    """What the module of a function was made of; None for one that ships or is installed."""
    found = getattr(inspect.unwrap(function), "__globals__", {}).get(SOURCE)
    return found if isinstance(found, bytes) else None


def packed(value: Any, name: str) -> bytes:
    """The pickle of a value, for a process that has loaded module `name`.

    Raises whatever the hooks of its types raise.
    """
    if not name.startswith(PREFIX):
        return pickle.dumps(value)
    buffer = BytesIO()
    _Packer(buffer, name).dump(value)
    return buffer.getvalue()


class _Packer(pickle.Pickler):
    """Writes what module `name` defines as its name, of whichever version it is.

    Else pickle looks whether `sys.modules` has the very same, which it has no more for a call that
    was decided before the file was read again.
    """

    def __init__(self, buffer: BytesIO, name: str) -> None:
        super().__init__(buffer)
        self._name = name

    def reducer_override(self, obj: Any) -> Any:
        """How to write a class or function of the module; all else in pickle's own way.

        What stands inside a function, or is a lambda, has no name: pickle says that of it.
        """
        ours = isinstance(obj, type | FunctionType) and obj.__module__ == self._name
        if ours and "<" not in obj.__qualname__:
            return defined, (self._name, obj.__qualname__)
        return NotImplemented


def defined(name: str, place: str) -> Any:
    """What a loaded module defines: `Settings`, `Lamp.Colour`."""
    found: Any = sys.modules[name]
    for part in place.split("."):
        found = getattr(found, part)
    return found


def fault(error: BaseException, path: Path) -> str:
    """What went wrong in a file, as "file:line: Kind: text"; its deepest line in the trace."""
    text = printable(str(error))
    if isinstance(error, ModuleError):
        return text
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno or 1}: {type(error).__name__}: {error.msg}"
    lines = [
        frame.lineno or 1
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{path}:{lines[-1] if lines else 1}: {said}"


def _mend(error: BaseException, path: Path) -> str:
    """What to do about an import that fails."""
    if not isinstance(error, ImportError) or not error.name:
        return ""
    package, _, below = error.name.partition(".")
    if package == PREFIX or (path.parent / f"{package}.py").exists():
        return "; a module cannot import a file beside it: write one file, or make a package"
    if isinstance(error, ModuleNotFoundError) and not below:
        return f"; install it for {sys.executable}, then touch {path}"
    return ""


def printable(text: str) -> str:
    """A text, or a file's name, as the journal takes it: with no half a character."""
    return text.encode(errors="replace").decode()


def read(path: Path) -> bytes:
    """What a file holds; raises ModuleError for one that is not taken."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ModuleError(f"{path}:1: not a regular file")
        if about.st_mode & stat.S_IWOTH:
            raise ModuleError(f"{path}:1: everybody may write it; chmod o-w {path}, and touch it")
        if about.st_size > LARGEST:
            raise ModuleError(f"{path}:1: larger than {LARGEST >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ModuleError(f"{path}:1: {error.strerror or error}") from error


def _code(path: Path, name: str, source: bytes) -> CodeType:
    """A file compiled; of those that come with housecarl Python's kept bytecode will do.

    Not of others: the cache tells files apart by whole seconds and size, too coarse for an author
    whose editor saves twice.
    """
    if path.parent == shipped("modules"):
        kept = SourceFileLoader(name, str(path)).get_code(name)
        if kept is not None:
            return kept
    return compile(source, str(path), "exec", dont_inherit=True)
