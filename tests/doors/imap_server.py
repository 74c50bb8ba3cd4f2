"""A small IMAP server in the test's loop: its capabilities chosen, cut or silent where wanted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ALL = "IDLE NAMESPACE UIDPLUS MOVE AUTH=XOAUTH2 SASL-IR"


@dataclass
class Mail:
    raw: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class ImapServer:
    """One user's inbox. NAMESPACE tells `prefix`, `delimiter` and `more`, if there is a delimiter.

    `cuts` maps a command to how many connections end when it comes in.
    `heard` keeps every command. With `mute`, a command of that name is never answered. `says` maps
    a command to a line that nobody asked for, said before its answer; `adds` is one that follows
    each message of a FETCH. A FETCH of what is in `broken` is refused, of what is in `torn` only
    that of the whole of it; what is in `gone` was expunged before anybody asked for the whole of
    it. `section` names the header in an answer to FETCH, `body` the whole; what is in `empty` has
    NIL for the whole; `size` is said of each in place of its own. Each SEARCH also names what is in
    `finds`; with `one_by_one` it has a line for each number.
    `chatty` are the seconds between two lines of small talk in IDLE, `chats` counts them; with
    `endless` a command of that name gets nothing else: what it `begins` with, then `drips`.
    """

    capabilities: str = ALL
    delimiter: str = "/"
    prefix: str = ""
    more: str = ""
    permanent: str = "\\Seen \\Deleted \\*"
    validity: int = 7
    refuse: set[str] = field(default_factory=set)
    tells_next: bool = True
    date: str = "25-Nov-2026 10:00:00 +0000"
    mute: str = ""
    is_mute: bool = False
    cuts: dict[str, int] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    adds: str = ""
    broken: set[int] = field(default_factory=set)
    torn: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    empty: set[int] = field(default_factory=set)
    section: str = "BODY[HEADER.FIELDS (FROM SUBJECT)]<0>"
    body: str = "BODY[]<0>"
    size: int | None = None
    finds: Sequence[int] = ()
    one_by_one: bool = False
    chatty: float | None = None
    chats: int = 0
    endless: str = ""
    begins: bytes = b""
    drips: bytes = b"* OK Hang in there..\r\n"  # Dovecot, while its storage gives nothing
    inbox: dict[int, Mail] = field(default_factory=dict)
    folders: dict[str, list[bytes]] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    next_uid: int = 1
    watchers: set[asyncio.Event] = field(default_factory=set)
    port: int = 0
    hears: asyncio.Event = field(default_factory=asyncio.Event)

    async def append(self, raw: bytes, *flags: str) -> None:
        self.inbox[self.next_uid] = Mail(raw, set(flags))
        self.next_uid += 1
        for watcher in self.watchers:
            watcher.set()

    def words(self, command: str) -> list[str]:
        """What was heard of one command."""
        return [line for line in self.heard if line.startswith(command)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await Talk(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Talk:
    """One connection."""

    def __init__(
        self, server: ImapServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server, self.reader, self.writer = server, reader, writer

    def say(self, text: str | bytes) -> None:
        self.writer.write((text.encode() if isinstance(text, str) else text) + b"\r\n")

    async def line(self) -> str:
        return (await self.reader.readuntil(b"\r\n")).decode()[:-2]

    async def run(self) -> None:
        server = self.server
        if server.mute == "GREETING":
            server.is_mute = True
            server.hears.set()
            await self.reader.read(-1)
            return
        self.say("* OK here")
        while True:
            tag, _, rest = (await self.line()).partition(" ")
            word = rest.split(" ")[0].upper()
            if word == "UID":
                word = " ".join(rest.split(" ")[:2]).upper()
            server.heard.append(rest)
            server.hears.set()
            if server.mute == word:
                server.is_mute = True
                await self.reader.read(-1)
                return
            if server.cuts.get(word, 0) > 0:
                server.cuts[word] -= 1
                # half an answer, then nothing more
                self.writer.write(b"* ")
                return
            if server.endless == word:
                self.writer.write(server.begins)
            while server.endless == word:
                self.writer.write(server.drips)
                await self.writer.drain()
                await asyncio.sleep(0.01)
            if word in server.refuse:
                self.say(f"{tag} NO not here")
                continue
            if word in server.says:
                self.say(server.says[word])
            done = await self.do(word, rest[len(word) :].strip())
            self.say(f"{tag} {done or 'OK done'}")
            if word == "LOGOUT":
                return

    async def do(self, word: str, rest: str) -> str | None:
        server = self.server
        if word == "CAPABILITY":
            self.say(f"* CAPABILITY IMAP4rev1 {server.capabilities}")
        elif word == "AUTHENTICATE":
            self.say("+ ")
            server.heard.append(await self.line())
        elif word == "NAMESPACE" and server.delimiter:
            self.say(f'* NAMESPACE (("{server.prefix}" "{server.delimiter}"{server.more})) NIL NIL')
        elif word == "LIST":
            name = re.findall(r'"([^"]*)"|(\S+)', rest)[-1]
            name = name[0] or name[1]
            delimiter = f'"{server.delimiter}"' if server.delimiter else "NIL"
            if name in ('""', "") or name in server.folders:
                self.say(f'* LIST (\\Noselect) {delimiter} "{name}"')
        elif word == "CREATE":
            server.folders[rest.strip('"')] = []
        elif word in ("SELECT", "EXAMINE"):
            return self.select()
        elif word == "IDLE":
            await self.idle()
        elif word.startswith("UID "):
            return self.uid(word[4:], rest)
        return None

    def select(self) -> str:
        server = self.server
        self.say(f"* {len(server.inbox)} EXISTS")
        self.say(f"* OK [PERMANENTFLAGS ({server.permanent})] kept")
        self.say(f"* OK [UIDVALIDITY {server.validity}] valid")
        if server.tells_next:
            self.say(f"* OK [UIDNEXT {server.next_uid}] next")
        return "OK [READ-WRITE] selected"

    async def idle(self) -> None:
        """The answer to IDLE and the first news come in one packet, as servers like to send it."""
        known = len(self.server.inbox)
        self.say("+ idling" + (f"\r\n* {known} EXISTS" if known else ""))
        done = asyncio.ensure_future(self.line())
        news = asyncio.Event()
        self.server.watchers.add(news)
        try:
            while not done.done():
                change = asyncio.ensure_future(news.wait())
                await asyncio.wait(
                    (done, change),
                    timeout=self.server.chatty,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not change.done() and not done.done():
                    self.say("* OK Still here")
                    self.server.chats += 1
                    self.server.hears.set()
                if change.done():
                    news.clear()
                    self.say(f"* {len(self.server.inbox)} EXISTS")
                change.cancel()
            await done
        finally:
            self.server.watchers.discard(news)

    def uid(self, word: str, rest: str) -> str | None:
        server = self.server
        if word == "SEARCH":
            first = re.search(r"UID (\d+|\*)", rest)
            uids = sorted(server.inbox)
            if first is not None:
                least = uids[-1] if first[1] == "*" and uids else int(first[1].replace("*", "0"))
                uids = [u for u in uids if u >= least] or uids[-1:]
            found = [str(each) for each in (*server.finds, *uids)]
            for line in ["", *found] if server.one_by_one else [" ".join(found)]:
                self.say(f"* SEARCH {line}".rstrip())
            return None
        numbers, _, what = rest.partition(" ")
        uids = [int(each) for each in numbers.split(",") if int(each) in server.inbox]
        if word == "FETCH":
            whole = "BODY.PEEK[]" in what
            if (server.broken | (server.torn if whole else set())).intersection(uids):
                return "NO cannot read that"
            for uid in uids:
                if not (whole and uid in server.gone):
                    most = re.search(r"<0\.(\d+)>", what)
                    self.fetch(uid, int(most[1]) if most else None, whole=whole)
        elif word == "STORE":
            for uid in uids:
                server.inbox[uid].flags |= set(re.findall(r"[\\$]\w+", what))
        elif word in ("MOVE", "COPY"):
            folder = server.folders[what.strip('"')]
            folder.extend(server.inbox[uid].raw for uid in uids)
        if word == "EXPUNGE":
            uids = [uid for uid in uids if "\\Deleted" in server.inbox[uid].flags]
        if word in ("MOVE", "EXPUNGE"):
            for uid in uids:
                del server.inbox[uid]
                self.say("* 1 EXPUNGE")
        return None

    def fetch(self, uid: int, most: int | None, *, whole: bool) -> None:
        mail = self.server.inbox[uid]
        data = mail.raw if whole else mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        if not whole:
            lines = data.split(b"\r\n")
            data = b"\r\n".join(x for x in lines if x[:5] in (b"From:", b"Subje", b""))
        data = data[:most]
        item = self.server.body if whole else self.server.section
        size = self.server.size or len(mail.raw)
        about = f"UID {uid} FLAGS ({' '.join(mail.flags)}) RFC822.SIZE {size}"
        date = f'INTERNALDATE "{self.server.date}"'
        given = f"{{{len(data)}}}\r\n".encode() + data
        if whole and uid in self.server.empty:
            given = b"NIL"
        self.say(f"* 1 FETCH ({about} {date} {item} ".encode() + given + b")")
        if self.server.adds:
            self.say(self.server.adds)


@asynccontextmanager
async def serving(server: ImapServer) -> AsyncIterator[ImapServer]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
