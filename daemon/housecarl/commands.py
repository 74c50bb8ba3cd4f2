"""A command: a marked function with its name, arguments, risk and help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from housecarl.arguments import Args, Arguments
from housecarl.errors import CommandFailed, ModuleError
from housecarl.module import NAME, SPEC, Call, Regular, Risk, Spec
from housecarl.module_file import printable

#: the house's own parts in `status`, up to their dot: what regular work finds stands beside them as
#: MODULE.NAME, and would be taken for one of them
PARTS = frozenset(
    "certificate config confirmation daemon disk door host journal meter module people plug post "
    "replies spool worker".split()
)
#: seconds; a longer command is a background job (`call.spawn`)
LONGEST = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """One command that people can text.

    `module` is the name of its settings section, `file` where it was read from, `source` the name
    it has in `sys.modules`, `attribute` the function's name there. `builtin` ones belong to the
    daemon and always run in its loop. `settings` is the checked section, or None.
    """

    name: str
    aliases: tuple[str, ...]
    module: str
    file: str
    source: str
    attribute: str
    spec: Spec
    function: Callable[..., Any]
    arguments: Arguments
    help: str = ""
    long_help: str = ""
    settings: Any = None
    builtin: bool = False

    @property
    def awaits(self) -> bool:
        """Whether it runs in the daemon's loop (async def), not in a worker process (def)."""
        return self.builtin or inspect.iscoroutinefunction(self.function)

    @property
    def line(self) -> int:
        """The line on which it begins, with its decorators; 1 where none can be told."""
        return _line(self.function)

    def usage(self, delimiter: str = " ") -> str:
        """How to write it: "plug NAME [on|off]"."""
        return self.arguments.usage(self.name, delimiter)

    def bind(self, call: Call) -> Args:
        """Check the words of a call; raises BadArgument with the usage."""
        if call.name != self.name or call.settings is not self.settings:
            call = replace(call, name=self.name, settings=self.settings)
        return self.arguments.bind(call)

    def prepare(self) -> None:
        """Make the checks of its arguments and use each once; raises ModuleError with file:line."""
        try:
            self.arguments.prepare()
        except ModuleError as error:
            raise ModuleError(f"{self.file}:{self.line}: {error}") from error.__cause__

    def risk(self, args: Args) -> Risk:
        """What this call can do; CommandFailed when the module's own rule breaks."""
        rule = self.spec.risk
        if not callable(rule):
            return Risk(rule)
        try:
            return Risk(rule(args))
        except BaseException as error:  # sys.exit in a rule ends the call, not the daemon
            from structlog import get_logger

            get_logger().warning(
                "risk rule failed", command=self.name, file=self.file, error=repr(error)
            )
            raise CommandFailed(f"{self.name} failed before it did anything.") from error


def commands_of(module: ModuleType, section: str, file: str) -> list[Command]:
    """The marked functions of a module as they stand; raises ModuleError with file:line."""
    found = [
        command_of(value, attribute, section, file)
        for attribute, value in vars(module).items()
        if isinstance(getattr(value, SPEC, None), Spec)
        and getattr(value, "__module__", None) == module.__name__
    ]
    unique = {id(command.function): command for command in reversed(found)}
    commands = list(reversed(unique.values()))
    names: set[str] = set()
    for command in commands:
        if command.name in names:
            text = f"{command.name} is a command of this file already; give it another name"
            raise ModuleError(f"{file}:{command.line}: {text}")
        names.add(command.name)
    return commands


def command_of(
    function: Callable[..., Any],
    attribute: str,
    section: str,
    file: str,
    *,
    builtin: bool = False,
) -> Command:
    """The command that a marked function is; raises ModuleError with file:line."""
    spec: Spec = getattr(function, SPEC)
    told = printable(inspect.cleandoc(function.__doc__ or ""))
    help_, _, long_help = told.partition("\n")
    try:
        _check(function, spec, section)
        arguments = Arguments.of(function)
    except ModuleError as error:
        raise ModuleError(f"{file}:{_line(function)}: {error}") from error.__cause__
    return Command(
        name=spec.name,
        aliases=spec.aliases,
        module=section,
        file=file,
        source=function.__module__,
        attribute=attribute,
        spec=spec,
        function=function,
        arguments=arguments,
        help=help_.strip(),
        long_help=long_help.strip(),
        builtin=builtin,
    )


def _line(function: Callable[..., Any]) -> int:
    return getattr(getattr(inspect.unwrap(function), "__code__", None), "co_firstlineno", 1)


def _check(function: Callable[..., Any], spec: Spec, section: str) -> None:
    for name in (spec.name, *spec.aliases):
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ModuleError(f"{name!r} is no command name: a-z, then a-z 0-9 _ -, at most 32")
    if not callable(function) or inspect.isclass(function):
        raise ModuleError(f"{spec.name}: @command marks functions only")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ModuleError(f"{spec.name}: a command returns its Reply, it does not yield")
    if not isinstance(spec.timeout, int | float) or not 0 < spec.timeout <= LONGEST:
        raise ModuleError(f"{spec.name}: timeout must be above 0 and at most {LONGEST:g} seconds")
    if not callable(spec.risk) and spec.risk not in list(Risk):
        raise ModuleError(f"{spec.name}: risk must be a Risk or a function of the arguments")
    if spec.late is not None and not (isinstance(spec.late, int | float) and spec.late > 0):
        raise ModuleError(f"{spec.name}: late must be seconds, above 0")
    if spec.confirm is not None and not callable(spec.confirm):
        raise ModuleError(f"{spec.name}: confirm must be a function of the arguments")
    if spec.interrupted is not None and not callable(spec.interrupted):
        raise ModuleError(f"{spec.name}: interrupted must be an async def that takes the call")
    if spec.cancelled is not None and not callable(spec.cancelled):
        raise ModuleError(f"{spec.name}: cancelled must be an async def of the call and a number")
    if spec.regular is not None and not _is_regular(spec.regular):
        raise ModuleError(f"{spec.name}: regular must be Regular(lambda settings: 60, work)")
    if spec.regular is not None and (part := section.partition(".")[0]) in PARTS:
        raise ModuleError(
            f"{spec.name}: a module with regular work cannot be called {part}, which is a part of "
            f"the house itself; give the file, or the entry point, another name"
        )


def _is_regular(regular: Any) -> bool:
    return isinstance(regular, Regular) and callable(regular.every) and callable(regular.work)
