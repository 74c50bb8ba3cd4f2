"""DNS: one question for five minutes; no answer is not none; a file can stand for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from housecarl.errors import AnswerPending, TrustLater
from housecarl.trust import Answers, NameServers
from housecarl.trust import dns as ours

SAMPLES = Path(__file__).parents[1] / "samples"


class Server(asyncio.DatagramProtocol):
    """A name server on loopback whose answer depends on the first label."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        self.asked.append(name.to_text())
        kind = name.labels[0].decode()
        if kind == "silent":
            return
        answer = dns.message.make_response(query)
        if kind == "servfail":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif kind == "nxdomain":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif kind == "many":
            texts = ['"' + f"{i}" * 200 + '" "tail"' for i in range(3)]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *texts))
        elif kind == "long":
            texts = [_quoted("k" * size) for size in (2048, 2049)]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *texts))
        elif kind == "flood":
            texts = [f'"{i:02}"' for i in range(17)]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *texts))
        elif kind != "empty":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", '"v=DKIM1; " "p=AA"'))
        self.transport.sendto(answer.to_wire(), addr)


def _quoted(record: str) -> str:
    """A record in its strings of at most 255 bytes."""
    return " ".join(f'"{record[i : i + 255]}"' for i in range(0, len(record), 255))


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, NameServers]]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    yield made, NameServers([f"127.0.0.1:{port}"], lifetime=0.5)
    transport.close()


Pair = tuple[Server, NameServers]


async def test_the_strings_of_a_record_are_joined_and_kept(server: Pair) -> None:
    served, resolver = server
    assert await resolver.txt("Key.example.org.") == (b"v=DKIM1; p=AA",)
    assert await resolver.txt("key.example.org") == (b"v=DKIM1; p=AA",)
    assert served.asked == ["key.example.org."], "the second answer came from memory"
    assert len(await resolver.txt("many.example.org")) == 3


@pytest.mark.parametrize(
    "name", ["nxdomain.example", "empty.example", "a" * 70 + ".example", "a..b"]
)
async def test_a_name_without_records_has_none(server: Pair, name: str) -> None:
    assert await server[1].txt(name) == ()


async def test_what_is_too_long_for_a_key_is_left_out(server: Pair) -> None:
    assert await server[1].txt("long.example") == (b"k" * 2048,)
    assert len(set(await server[1].txt("flood.example"))) == 16, "of 17"


async def test_a_machine_without_a_name_server_is_tried_later(
    server: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dns.resolver.BaseResolver.read_resolv_conf",
        lambda *_: (_ for _ in ()).throw(dns.resolver.NoResolverConfiguration),
    )
    with pytest.raises(TrustLater, match="^this machine has no name server$"):
        await NameServers().txt("key.example")
    assert await server[1].txt("key.example.org") == (b"v=DKIM1; p=AA",), "the config names one"


@pytest.fixture
def resolv_conf(server: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that names the machine's name servers, which all serve on the port of ours."""
    path = tmp_path / "resolv.conf"
    port = server[0].transport.get_extra_info("sockname")[1]
    read = dns.resolver.BaseResolver.read_resolv_conf

    def read_ours(stub: dns.resolver.BaseResolver, _: str) -> None:
        stub.port = port
        read(stub, str(path))

    monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", read_ours)
    return path


@pytest.mark.long
async def test_another_name_server_is_asked_once_the_former_is_silent(resolv_conf: Path) -> None:
    """The machine got another one from its router, whose file says so since."""
    resolver = NameServers(lifetime=0.05)
    resolv_conf.write_bytes(b"nameserver 127.0.0.254\n")  # where nobody serves
    with pytest.raises(TrustLater):
        await resolver.txt("key.example.org")
    resolv_conf.write_bytes(b"nameserver 127.0.0.1\n")
    assert await resolver.txt("key.example.org") == (b"v=DKIM1; p=AA",)


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    "broken",
    [b"nameserver 192.168.1.", b"nameserver 127.0.0.1\nsearch a..b", b"# caf\xe9"],
    ids=["address", "domain", "bytes"],
)
async def test_a_broken_line_in_resolv_conf_is_waited_for_until_it_is_mended(
    resolv_conf: Path, broken: bytes
) -> None:
    resolver = NameServers(lifetime=0.05)
    resolv_conf.write_bytes(broken)
    with pytest.raises(TrustLater, match=r"^/etc/resolv\.conf cannot be used: "):
        await resolver.txt("key.example")
    resolv_conf.write_bytes(b"nameserver 127.0.0.254\n")  # where nobody serves
    with pytest.raises(TrustLater, match=r"^no answer for key\.example: "):
        await resolver.txt("key.example")


@pytest.mark.long(after=1)
@pytest.mark.parametrize("name", ["servfail.example", "silent.example"])
async def test_no_answer_means_later_and_is_not_kept(server: Pair, name: str) -> None:
    served, resolver = server
    for _ in range(2):
        with pytest.raises(TrustLater, match=rf"^no answer for {name}: [A-Z]\w+$"):
            await asyncio.wait_for(resolver.txt(name), 3)
    assert len(served.asked) >= 2


@pytest.fixture
async def patient(server: Pair) -> tuple[Server, NameServers]:
    """A resolver for which nobody waits longer than 50 ms."""
    return server[0], NameServers(server[1]._servers, lifetime=0.5, patience=0.05)


@pytest.mark.long
async def test_who_would_have_to_wait_is_told_when_to_ask_again(patient: Pair) -> None:
    """And then hears that there was no answer, for a while, without a new question."""
    served, resolver = patient
    told = []
    for _ in range(3):
        with pytest.raises(AnswerPending, match="^no answer for silent.example yet$") as pending:
            await resolver.txt("silent.example")
        told.append(pending.value.answered)
    await asyncio.wait_for(asyncio.wait(told), 3)
    served.asked.clear()
    for _ in range(2):
        with pytest.raises(TrustLater, match="^no answer for silent.example: LifetimeTimeout$"):
            await resolver.txt("silent.example")
    assert served.asked == []


async def test_a_prompt_answer_is_waited_for_and_one_question_serves_all(server: Pair) -> None:
    served = server[0]
    resolver = NameServers(server[1]._servers, patience=20)
    answers = await asyncio.gather(*(resolver.txt("key.example") for _ in range(40)))
    assert set(answers) == {(b"v=DKIM1; p=AA",)}
    assert served.asked == ["key.example."]


async def test_while_one_answer_is_overdue_nobody_waits_for_another(patient: Pair) -> None:
    resolver = patient[1]
    with pytest.raises(AnswerPending):
        await resolver.txt("silent.example")
    with pytest.raises(AnswerPending) as pending:
        await resolver.txt("key.example")
    await asyncio.wait_for(asyncio.wait([pending.value.answered]), 3)
    assert await resolver.txt("key.example") == (b"v=DKIM1; p=AA",)


async def test_questions_under_way_are_bounded(
    patient: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "MAX_ASKED", 2)
    resolver = patient[1]
    for name in ("silent.a.example", "silent.b.example"):
        with pytest.raises(AnswerPending):
            await resolver.txt(name)
    with pytest.raises(TrustLater, match=r"^2 questions before the one for c\.example have no"):
        await resolver.txt("c.example")


async def test_memory_is_bounded(server: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MAX_KEPT", 2)
    for number in (0, 1, 2, 1, 2, 0):
        await server[1].txt(f"k{number}.example")
    assert len(server[1]._kept) == 2
    assert server[0].asked == [f"k{n}.example." for n in (0, 1, 2, 0)], "the oldest went first"


async def test_what_is_asked_again_is_no_longer_the_oldest(
    server: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "MAX_KEPT", 2)
    with monkeypatch.context() as at_once:
        at_once.setattr(ours, "KEEP", -1.0)
        await server[1].txt("a.example")
    for name in "babc":
        await server[1].txt(f"{name}.example")
    server[0].asked.clear()
    await server[1].txt("a.example")
    assert server[0].asked == []


async def test_an_answer_is_forgotten_in_time(
    server: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "KEEP", -1.0)
    for _ in range(2):
        await server[1].txt("key.example")
    assert len(server[0].asked) == 2


async def test_a_file_stands_for_the_whole_dns() -> None:
    answers = Answers.load(SAMPLES / "dns.json")
    (record,) = await answers.txt("SEL1._domainkey.example.org.")
    assert record.startswith(b"v=DKIM1")
    assert await answers.txt("_domainkey.nowhere.example") == ()


@pytest.mark.parametrize(
    "text", ["[]", '{"a": []}', '{"a": {"TXT": 5}}', '{"a": {}, "b": "v=DKIM1"}', "1", "{"]
)
def test_a_file_that_is_no_object_of_names_is_refused(tmp_path: Path, text: str) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    with pytest.raises(ValueError) as caught:
        Answers.load(bad)
    assert text == "{" or str(caught.value) == f"{bad} holds no object of names to answers"


async def test_a_name_in_the_file_may_end_in_a_dot_and_have_one_answer_or_several() -> None:
    answers = Answers(
        {"Key.Example.": {"TXT": "v=DKIM1"}, "two.example": {"TXT": ["a", "b"], "A": ["192.0.2.1"]}}
    )
    assert await answers.txt("key.example") == (b"v=DKIM1",)
    assert await answers.txt("TWO.example.") == (b"a", b"b")
    assert await Answers({"a.example": {"A": ["192.0.2.1"]}}).txt("a.example") == ()
