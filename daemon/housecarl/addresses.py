"""The addresses of a machine, by whomever the system asks for them: DNS, mostly."""

from __future__ import annotations

import socket
from functools import partial

from housecarl.thread import in_one_thread


async def of(host: str, seconds: float) -> tuple[str, ...]:
    """The addresses of a name, or of an address itself; none where there is no such name.

    Raises TimeoutError when nobody tells, at the latest after that many seconds. DNS may never
    answer, and the loop's own threads are few.
    """
    return await in_one_thread(("host", host), partial(_asked, host), seconds)


def _asked(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise TimeoutError(error.strerror) from error
        return ()
    return tuple(str(each[4][0]) for each in found)
