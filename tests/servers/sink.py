"""A smarthost that keeps what it takes as files: `sink.py FOLDER PORT`, on loopback, with AUTH."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Sink:
    """Each mail becomes N.eml, whole when it has its name; logins go into the file `logins`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a mail."""
        path = self.folder / f"{next(self._numbers)}.part"
        path.write_bytes(envelope.original_content or b"")
        path.rename(path.with_suffix(".eml"))
        return "250 2.0.0 kept"

    def log_in(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        """Whoever it is; what was said is kept."""
        assert isinstance(data, LoginPassword)
        with (self.folder / "logins").open("ab") as file:
            file.write(data.login + b" " + data.password + b"\n")
        return AuthResult(success=True, auth_data=data)


async def serve(folder: Path, port: int) -> None:
    """Until it is killed."""
    sink, loop = Sink(folder), asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(sink, authenticator=sink.log_in, auth_require_tls=False, loop=loop)

    server = await loop.create_server(session, "127.0.0.1", port)
    print("ready", flush=True)  # noqa: T201 - for whoever started it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
