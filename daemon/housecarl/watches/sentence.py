"""What the house says first: one short sentence for each piece of news."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from housecarl.rights import span
from housecarl.watches.state import Finding, News


def say(found: Finding, news: News, now: datetime, zone: ZoneInfo) -> str:
    """The sentence, with times as the house's clocks show them; what is told at once needs none."""
    since, breaks = shown(news.since, now, zone), " with breaks" if news.breaks else ""
    if news.word == "trouble":
        began = f", since {since}{breaks}" if found.rule.after else ""
        return f"{found.title}: {news.text}{began}."
    over, lasted = shown(news.over, now, zone), span(news.over - news.since)
    if news.word == "well":
        return f"{found.title} is well again since {over}, after {lasted}{breaks}."
    return f"{found.title}: {news.text}, from {since} to {over}{breaks}. It is well again."


def shown(at: float, now: datetime, zone: ZoneInfo) -> str:
    """14:05, or 24 Nov 14:05 when that was not today."""
    local = datetime.fromtimestamp(at, zone)
    same = local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M}" if same else f"{local.day} {local:%b %H:%M}"
