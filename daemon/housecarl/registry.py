"""The commands by name, from folders of module files that are read again when they change."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from housecarl import module_file, module_folders, module_load, module_settings
from housecarl.command_index import Entry, Index, Seen, index_of
from housecarl.commands import Command, command_of
from housecarl.config_words import Loc
from housecarl.errors import ConfigError, ModuleError, ModuleLater, Problem
from housecarl.module_file import printable
from housecarl.module_settings import Locate
from housecarl.process import try_file
from housecarl.thread import in_thread

log = structlog.get_logger()

#: seconds that a file may take at its top level, trial and load each, and all that ship together;
#: an import of a large library on a small board takes a few
LOAD_LIMIT = 15.0

#: files that are tried at the same time; each is a process that imports what its module imports
TRIALS = 2
#: seconds after which a file that is tried is not one of these any more: it hangs, most likely
SLOW = 4.0
#: runs what a file holds elsewhere first: the fault as "file:line: text", or "" when it is sound;
#: may raise ModuleLater
Trial = Callable[[Path, bytes], Awaitable[str]]


def _nowhere(loc: Loc, text: str) -> Problem:
    return Problem("config", 1, 1, f"{'.'.join(map(str, loc))}: {text}")


class Registry:
    """The commands of the shipped folder, of the user's folders and of installed packages.

    The shipped folder is trusted and loaded as it is; a file of any other folder goes through
    `trial` first. Earlier folders win: a file whose command exists already is off and named in
    `broken`; an alias that exists already is left out and named in `notes`. Until `reload` has run
    there are only the built-in commands.
    """

    def __init__(
        self,
        shipped: Path | None,
        folders: Sequence[Path] = (),
        settings: Mapping[str, Any] | None = None,
        *,
        locate: Locate = _nowhere,
        context: Mapping[str, Any] | None = None,
        trial: Trial | None = try_file,
    ) -> None:
        # absolute, because a worker process runs in another folder
        self.shipped = shipped.absolute() if shipped else None
        self.folders = tuple(folder.absolute() for folder in folders)
        self._settings = dict(settings or {})
        self._locate = locate
        self._context = context
        self._trial = trial
        self._builtins: list[Command] = []
        self._files: dict[Path, Entry] = {}
        self._installed: dict[str, Entry] = {}
        self._lost: dict[str, str] = {}
        self._index = Index()
        self._lock = asyncio.Lock()

    @property
    def commands(self) -> Mapping[str, Command]:
        """Every command by its own name, sorted."""
        return self._index.commands

    @property
    def broken(self) -> Mapping[str, str]:
        """The files that are off because of a fault: file -> "file:line: text"."""
        return self._index.broken

    @property
    def faulty(self) -> set[str]:
        """The modules that are off because of a fault, by the names of their sections."""
        entries = (*self._files.values(), *self._installed.values())
        return {entry.section for entry in entries if entry.file in self._index.broken}

    @property
    def lost(self) -> Mapping[str, str]:
        """The folders that are not there or cannot be read: folder -> what is wrong with it."""
        return self._lost

    @property
    def faults(self) -> dict[str, str]:
        """What is broken, missing, or a folder without a look into it, as the journal takes it."""
        faults = {**self._index.broken, **self._index.missing, **self._lost}
        return {printable(file): printable(fault) for file, fault in faults.items()}

    @property
    def unset(self) -> Mapping[str, str]:
        """The files that are off because the config lacks their section: file -> what it needs."""
        return self._index.unset

    @property
    def notes(self) -> Mapping[str, str]:
        """Files that work, with something the operator should know."""
        return self._index.notes

    @property
    def watched(self) -> tuple[Path, ...]:
        """The folders to watch; after any event in one of them call `reload`."""
        return (*((self.shipped,) if self.shipped else ()), *self.folders)

    def find(self, word: str) -> Command | None:
        """The command of a name or alias, whatever its capitals."""
        return self._index.words.get(word.casefold())

    def owner(self, word: str) -> Command | None:
        """Who has a name or alias: the command in use, else one that is off without its section."""
        entries = (*self._files.values(), *self._installed.values())
        unused = (command for entry in entries for command in entry.commands)
        return self.find(word) or next(
            (each for each in unused if word.casefold() in (each.name, *each.aliases)), None
        )

    def suggest(self, word: str, allowed: Iterable[str]) -> str | None:
        """The nearest of the allowed commands, by name or alias; None when nothing is near."""
        import difflib  # only for a slip of the finger

        names = set(allowed)
        words = {
            known: command.name
            for known, command in self._index.words.items()
            if command.name in names
        }
        near = difflib.get_close_matches(word.casefold(), words, n=1)
        return words[near[0]] if near else None

    def add_builtin(self, *functions: Callable[..., Any]) -> None:
        """Add the daemon's own commands: functions with the `@command` mark, run in its loop."""
        for function in functions:
            name = getattr(function, "__name__", "")
            self._builtins.append(command_of(function, name, "", "built in", builtin=True))
        self._build()

    def check_settings(self) -> None:
        """Raise ConfigError with every fault in the sections of the modules (start, `check`)."""
        if self._index.problems:
            raise ConfigError(*self._index.problems)

    async def reload(self) -> None:
        """Read what is new or changed, drop what is gone, check the settings; never raises."""
        async with self._lock:
            known = {path: entry.seen for path, entry in self._files.items()}
            found, self._lost = await module_folders.look(self.watched, known)
            changed = [path for path, seen in found.items() if self._seen(path) != seen or not seen]
            for path in self._files.keys() - found.keys():
                module_file.forget(module_file.private_name(path))
            files = {path: self._files[path] for path in found if path in self._files}
            two = asyncio.Semaphore(TRIALS)
            entries = await self._read_shipped(found, changed)
            foreign = (path for path in changed if self._is_foreign(path))
            entries += await asyncio.gather(
                *(self._read(path, found[path], two) for path in foreign)
            )
            for entry in entries:
                name = module_file.private_name(Path(entry.file))
                if entry.module is not None:
                    module_file.register(name, entry.module)
                else:
                    module_file.forget(name)
            files.update((Path(entry.file), entry) for entry in entries)
            self._files = {path: files[path] for path in found}
            self._build()

    async def load_installed(self) -> None:
        """Add the modules of installed packages: entry points of the group `housecarl.modules`.

        Their name is the section of their settings. To find them takes some 40 ms, so this is not
        part of `reload`; a package that was added later is seen at the next start.
        """
        async with self._lock:
            self._installed = await module_load.installed(LOAD_LIMIT, self._settled)
            self._build()

    def _seen(self, path: Path) -> Seen | None:
        return self._files[path].seen if path in self._files else None

    def _is_foreign(self, path: Path) -> bool:
        return path.parent != self.shipped

    async def _read_shipped(
        self, found: Mapping[Path, Seen | None], changed: Sequence[Path]
    ) -> list[Entry]:
        """Those that come with housecarl, in one thread: several would only wait for each other."""
        ours = [path for path in changed if not self._is_foreign(path)]
        if not ours:
            return []
        try:
            return await in_thread(
                lambda: [self._settled(_loaded(path, found[path])) for path in ours], LOAD_LIMIT
            )
        except TimeoutError:
            text = f"the modules that come with housecarl took longer than {LOAD_LIMIT:g} s"
            return [_off(path, found[path], f"{path}:1: {text}") for path in ours]

    async def _read(self, path: Path, seen: Seen | None, free: asyncio.Semaphore) -> Entry:
        try:
            try:
                source = await in_thread(lambda: module_file.read(path), LOAD_LIMIT)
            except TimeoutError:
                raise ModuleLater(f"its disk gave nothing in {LOAD_LIMIT:g} s") from None
            await self._try(path, source, free)
            async with free:
                return await in_thread(
                    lambda: self._settled(_loaded(path, seen, source)), LOAD_LIMIT
                )
        except ModuleLater as error:
            return self._kept(path, str(error))
        except ModuleError as error:
            return _off(path, seen, str(error))
        except TimeoutError:
            what = f"its top level, with its settings, took longer than {LOAD_LIMIT:g} s"
            return _off(path, seen, f"{path}:1: {what}")

    def _settled(self, entry: Entry) -> Entry:
        """An entry with its settings, or what breaks over them; blocks, as its code may."""
        if entry.module is None:
            return entry
        section, sections = entry.section, self._settings
        try:
            checked = module_settings.check(
                entry.module, section, sections, self._locate, self._context
            )
        except BaseException as error:  # noqa: BLE001  a model's code may do anything, sys.exit too
            fault = module_file.fault(error, Path(entry.file)).splitlines()[0]
            log.warning("module off", file=entry.file, fault=fault)
            return entry._replace(error=fault)
        return entry._replace(checked=checked)

    def _kept(self, path: Path, why: str) -> Entry:
        """The former version of a file, if it had a sound one; the next `reload` tries it again."""
        former = self._files.get(path)
        if former is None or former.module is None:
            return _off(path, None, f"{path}:1: it could not be tried: {why}")
        log.warning("module kept", file=str(path), why=why)
        return former

    async def _try(self, path: Path, source: bytes, free: asyncio.Semaphore) -> None:
        """Try a file; one that hangs makes room for the next, or ten of them would end a start."""
        if self._trial is None:
            return
        async with free:
            trial = asyncio.ensure_future(self._trial(path, source))
            try:
                await asyncio.wait({trial}, timeout=SLOW)
            except asyncio.CancelledError:
                trial.cancel()
                raise
        if fault := await trial:
            raise ModuleError(fault)

    def _build(self) -> None:
        self._index = index_of(
            self._builtins,
            [*self._files.values(), *self._installed.values()],
            {} if self._lost else self._settings,  # a section may be that of a module in there
            self._locate,
        )


def _loaded(path: Path, seen: Seen | None, source: bytes | None = None) -> Entry:
    """A file with its commands, or with what is wrong with it; blocks.

    A version that was loaded before stays in `sys.modules`: it is in use until all that changed was
    read, which may take long.
    """
    name, module = module_file.private_name(path), None
    former = sys.modules.get(name)
    try:
        module, commands = module_load.load(path, path.stem, source)
        entry = Entry(str(path), path.stem, seen, module, commands)
    except ModuleError as error:
        entry = _off(path, seen, str(error))
    if former is not None and sys.modules.get(name) in (module, None):
        module_file.register(name, former)
    return entry


def _off(path: Path, seen: Seen | None, fault: str) -> Entry:
    log.warning("module off", file=str(path), fault=fault)
    return Entry(str(path), path.stem, seen, error=fault)
