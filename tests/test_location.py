from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from housecarl.location import Host, Location, NameServer, Port, is_loopback, split


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:25", ("127.0.0.1", 25)),
        ("[::1]:2525", ("::1", 2525)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_endpoint_is_host_and_port(text: str, pair: tuple[str, int]) -> None:
    assert split(text) == pair


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("127.0.0.1", "HOST:PORT"),
        (":25", "HOST:PORT"),
        ("host:", "HOST:PORT"),
        ("host:smtp", "HOST:PORT"),
        ("host:²", "HOST:PORT"),
        ("host:0", "between"),
        ("host:65536", "between"),
        ("host:" + "9" * 5000, "between"),
        ("::1:25", "brackets"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        split(text)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]:53", "[2001:db8::1]:53"),
    ],
)
def test_a_name_server_is_asked_on_port_53_unless_told(text: str, server: str) -> None:
    assert TypeAdapter(NameServer).validate_python(text) == server


def test_a_name_server_is_an_address_and_never_a_name() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(NameServer).validate_python("dns.example:53")


def test_a_port_has_bounds() -> None:
    assert TypeAdapter(Port).validate_python(993) == 993
    for wrong in (0, -1, 65536, 10**9):
        with pytest.raises(ValidationError):
            TypeAdapter(Port).validate_python(wrong)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("smtp.gmail.com:587", "a host alone; 587 goes under port"),
        ("192.168.1.20:22", "a host alone; 22 goes under port"),
        ("[::1]", "without brackets, as ::1; a port goes under port"),
        ("[::1]:25", "without brackets, as ::1; a port goes under port"),
        ("192.168.1.411", "an address or a host name"),
        ("192.168.1." + "9" * 5000, "an address or a host name"),
        ("imaps://imap.gmail.com", "an address or a host name"),
        ("me@gmail.com", "an address or a host name"),
    ],
)
def test_what_is_no_host_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(Host).validate_python(text)


@pytest.mark.parametrize(
    "text",
    ["smtp.gmail.com", "nas", "nas.", "my_nas.lan", "küche.lan", "::1", "127.1", "192.168.01.9"],
)
def test_whatever_a_resolver_takes_is_a_host(text: str) -> None:
    assert TypeAdapter(Host).validate_python(text) == text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "localhost.example.org", ""])
def test_everything_else_is_a_network(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "path"), [("../spool", "/a/spool"), ("x/./y", "/a/b/x/y"), ("/etc/x", "/etc/x")]
)
def test_a_path_starts_from_the_folder_of_the_file(text: str, path: str) -> None:
    found = TypeAdapter(Location).validate_python(text, context={"folder": Path("/a/b")})
    assert found == Path(path)


def test_an_empty_path_is_no_path() -> None:
    for wrong in ("", 5, None):
        with pytest.raises(ValidationError, match="should be a path"):
            TypeAdapter(Location).validate_python(wrong)


def test_the_home_folder_of_nobody_is_no_place() -> None:
    with pytest.raises(ValidationError, match="'~nobody-of-this-name/x': there is no such home"):
        TypeAdapter(Location).validate_python("~nobody-of-this-name/x")
