"""Places a configuration names: paths relative to its file, hosts, and host:port pairs."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

#: a host name as resolvers take it, which is more than DNS allows: an underscore, other letters
_HOST = re.compile(r"\w[\w.-]*")


def _located(value: object, info: ValidationInfo) -> Path:
    """Join a path to the folder of the configuration, which the validation context carries."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("should be a path, relative to this file or absolute")
    folder = (info.context or {}).get("folder") or Path.cwd()
    try:
        return Path(os.path.normpath(Path(folder, Path(value).expanduser())))
    except RuntimeError:
        raise ValueError(f"'{value}': there is no such home folder") from None


#: An absolute path; written relative to the folder of the configuration file.
Location = Annotated[Path, BeforeValidator(_located), WithJsonSchema({"type": "string"})]


def split(endpoint: str) -> tuple[str, int]:
    """`"127.0.0.1:2525"` or `"[::1]:2525"` -> host without brackets, port.

    Raises ValueError with what to write instead.
    """
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not host:
        raise ValueError(f"'{endpoint}' is no HOST:PORT such as \"127.0.0.1:2525\"")
    if not 1 <= int(port[:6]) <= 65535:
        raise ValueError(f"port {port[:6]} is not between 1 and 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"'{endpoint}': put an IPv6 address in brackets, \"[::1]:2525\"")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can be meant by `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(text: str) -> str:
    """An address or a host name. ValueError says what to write instead."""
    parts = text.split(".")
    four = len(parts) == 4 and all(part.isdecimal() for part in parts)
    if _HOST.fullmatch(text) and not (four and any(int(part[:4]) > 255 for part in parts)):
        return text
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if text.startswith("["):  # as `listen` has it
            inner = text[1:].partition("]")[0]
            raise ValueError(
                f"should be without brackets, as {inner}; a port goes under port"
            ) from None
        name, _, port = text.rpartition(":")
        if _HOST.fullmatch(name) and port.isdecimal():
            raise ValueError(f"should be a host alone; {port} goes under port") from None
        such = "such as 192.168.1.41 or lamp.lan"
        raise ValueError(f"should be an address or a host name, {such}") from None
    return text


def _endpoint(text: str) -> str:
    split(text)
    return text


def _numeric(text: str) -> str:
    """A name server: an IP address, port 53 unless it says otherwise."""
    try:
        bare = ipaddress.ip_address(text)
    except ValueError:
        host, _ = split(text)
        ipaddress.ip_address(host)
        return text
    return f"[{bare}]:53" if bare.version == 6 else f"{bare}:53"


#: An address or a host name, without a port.
Host = Annotated[str, AfterValidator(_host)]

#: A text of the form HOST:PORT; `split` takes it apart.
Endpoint = Annotated[str, AfterValidator(_endpoint)]

#: IP:PORT of a name server; the port is 53 when left out.
NameServer = Annotated[str, AfterValidator(_numeric)]

#: A TCP port.
Port = Annotated[int, Field(ge=1, le=65535)]
