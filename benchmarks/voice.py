"""The latency of a forwarded Google Voice text: DKIM is verified, DNS answered in this process."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
from benchmarks import line

from housecarl.testing.carrier import Carrier


class Names(asyncio.DatagramProtocol):
    """A name server that knows the carrier's key and nothing else."""

    def __init__(self, records: dict[str, dict[str, list[str]]]) -> None:
        self._records = records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        asked = query.question[0]
        name, kind = asked.name.to_text().rstrip("."), dns.rdatatype.to_text(asked.rdtype)
        for text in self._records.get(name, {}).get(kind, []):
            record = dns.rrset.from_text(asked.name, 300, "IN", kind, f'"{text}"')
            response.answer.append(record)
        self._transport.sendto(response.to_wire(), addr)  # type: ignore[attr-defined]


async def voice(sink: int, warm: int, count: int) -> list[float]:
    """Final dot to reply of Google Voice texts, in ms, one after another."""
    loop = asyncio.get_running_loop()
    carrier = Carrier(account="house@home.example")  # answers must come from the account itself
    names, _ = await loop.create_datagram_endpoint(
        lambda: Names(carrier.dns), local_addr=("127.0.0.1", 0)
    )
    resolver = f"127.0.0.1:{names.get_extra_info('sockname')[1]}"
    more = (
        f"trust: {{google_voice: {{account: {carrier.account}, number: '{carrier.number}', "
        "without_arc: true}, "
        f"resolver: ['{resolver}']}}\n"
    )
    taken = []
    try:
        async with line.housecarl(Path(tempfile.mkdtemp()), sink, more) as (port, _, _):
            client = line.Client(port)
            await client.connect()
            for _ in range(warm + count):
                line.drain()
                mail = carrier.text(line.PHONE, "!uptime")
                dot = await client.hand_in(carrier.envelope(line.TO), mail)
                at, _ = await asyncio.wait_for(line.Sink.arrived.get(), 60)
                taken.append((at - dot) * 1000)
    finally:
        names.close()
    return taken[warm:]
