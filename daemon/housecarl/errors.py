"""Every error housecarl raises, and who may read its text.

    HousecarlError
    ├── ConfigError          operator   file:line:col, the line, what to do; all faults at once
    │   └── SecretError      operator   a secret cannot be read, or others can read it too
    │       └── SecretLater  operator   its disk gives nothing; it is tried again
    ├── ModuleError          operator   a module file that cannot be used, with file:line
    ├── ModuleLater          operator   a module file cannot be tried now
    ├── StorageError         operator   spool or journal cannot be written or read: the restart path
    │   ├── SpoolFull        operator   no room; a door answers 452, the sender tries again
    │   ├── SpoolGone        operator   its disk is not mounted any more; it is waited for
    │   └── JournalError     operator   the journal is of another version, or held by another
    │       ├── JournalNewer    operator   a newer housecarl wrote it: trying again is in vain
    │       └── JournalDamaged  operator   a start sets it aside and builds it anew
    ├── FormError            nobody     a message that does not pass the form gate
    ├── MessageGone          nobody     a waiting message whose file somebody took away
    ├── MessageUnread        operator   a message whose file the disk does not give; it waits
    ├── TrustLater           nobody     a check has no answer yet (DNS); the message waits
    ├── AnswerPending        nobody     DNS takes its time; the message gives its place to others
    ├── PostError            operator   the smarthost said no
    │   ├── PostLater        operator   for now: the reply waits and is tried again
    │   └── PostRefused      operator   for good: the reply is kept as refused and shown
    ├── Unreachable          operator   a service a verb needs cannot be reached
    └── CommandError         sender     one short sentence about their command
        ├── UnknownCommand   sender     with at most one suggestion
        ├── BadArgument      sender     with the usage
        ├── NotAllowed       sender     this person, this command, this proof
        └── CommandFailed    sender     it ran and broke; the trace is in the operator's log

Nothing here may hold a secret, a full phone number or a path in a text that a sender reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from asyncio import Future


class HousecarlError(Exception):
    """The root: catching it catches everything housecarl raises on purpose."""


class Problem(NamedTuple):
    """One fault in a config file: where it stands and what to do.

    Line and column count from 1; line 0 means the fault is not at one place in the file.
    """

    file: str
    line: int
    column: int
    text: str
    excerpt: str = ""

    def __str__(self) -> str:
        if not self.line:
            return f"{self.file}: {self.text}"
        head = f"{self.file}:{self.line}:{self.column}: {self.text}"
        if not self.excerpt:
            return head
        return f"{head}\n    {self.excerpt}\n    {' ' * (self.column - 1)}^"


class ConfigError(HousecarlError):
    """The configuration cannot be used; `problems` holds every fault that was found."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SecretError(ConfigError):
    """A secret cannot be read; `name` says which, the text what to do, neither holds its value."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(Problem(name, 0, 0, text))


class SecretLater(SecretError):
    """The disk of a secret gives nothing, as a network mount that died (exit code 69)."""


class ModuleError(HousecarlError):
    """A module file cannot be used; the text names file and line."""


class ModuleLater(HousecarlError):
    """A module file cannot be tried now, which says nothing about it: the machine has no room."""


class StorageError(HousecarlError):
    """The spool or the journal cannot be read or written: drop what is in hand and start again."""

    @classmethod
    def of(cls, doing: str, error: BaseException) -> StorageError:
        """The operator's sentence about what failed at the disk; one that is made already stays."""
        if isinstance(error, StorageError):
            return error
        return StorageError(f"{doing}: {getattr(error, 'strerror', None) or error}")


class SpoolFull(StorageError):
    """There is no room for another message; nothing was stored."""


class SpoolGone(StorageError):
    """The spool is not there any more; a process that is started anew would make an empty one."""


class JournalError(StorageError):
    """The journal is of another version, belongs to a running daemon, or is damaged."""


class JournalNewer(JournalError):
    """The journal was written by a newer housecarl; only a person can help (exit code 78)."""


class JournalDamaged(JournalError):
    """The journal's file is not what SQLite wrote; the daemon builds it anew when it starts."""


class FormError(HousecarlError):
    """A message does not pass the form gate; `reason` is one stable word with dashes."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class MessageGone(HousecarlError):
    """The file of a waiting message is not there any more: somebody took it away by hand."""


class MessageUnread(HousecarlError):
    """The file of one message cannot be read, which is no trouble of the others; it waits."""


class TrustLater(HousecarlError):
    """A check could not be made yet; the message waits in work/ and is tried again."""


class AnswerPending(HousecarlError):
    """DNS takes its time; once `answered` is done, the check can be made or is a TrustLater."""

    def __init__(self, name: str, answered: Future[Any]) -> None:
        super().__init__(f"no answer for {name} yet")
        self.answered = answered


class PostError(HousecarlError):
    """The smarthost did not take a reply."""


class PostLater(PostError):
    """The smarthost did not take a reply for now."""


class PostRefused(PostError):
    """The smarthost will never take this reply."""


class Unreachable(HousecarlError):
    """A service that a verb needs cannot be reached (exit code 69)."""


class CommandError(HousecarlError):
    """What the sender should read: one short sentence, no trace, no path, no secret."""

    #: the stable word that `why` and the journal show
    reason = "command-error"


class UnknownCommand(CommandError):
    """There is no such command for this person."""

    reason = "unknown-command"


class BadArgument(CommandError):
    """The words after the command do not fit; the text holds the usage."""

    reason = "bad-argument"


class NotAllowed(CommandError):
    """This person may not run this command, or not with this proof."""

    reason = "not-allowed"


class CommandFailed(CommandError):
    """The command ran and broke: an exception, a time limit, a dead worker process."""

    reason = "failed"
