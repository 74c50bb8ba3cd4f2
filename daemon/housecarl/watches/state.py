"""The state of one watch: what is found becomes news, late enough to be true, and each once."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple


class News(NamedTuple):
    """What there is to tell.

    "trouble": it went wrong at `since`; "well": it is well again since `over`; "past": it was wrong
    from `since` to `over`, and nobody was told. `breaks`: it was well in between, at night.
    """

    word: Literal["trouble", "well", "past"]
    since: float
    over: float
    text: str
    breaks: bool = False


class Rule(NamedTuple):
    """When a finding is news.

    It must last `after` seconds, and be over as long to be well again. `urgent` ones do not keep
    the quiet hours. `afterwards` ones are told only when they are over: what is wrong is the way
    by which they would be told.
    """

    after: float
    urgent: bool = False
    afterwards: bool = False


class Finding(NamedTuple):
    """What one look at one thing found.

    `name` is stable (`host.nas`), `title` what people call it. `ok` None: it could not be told.
    `text` says what is wrong, as part of a sentence; `since` is when it began, where that is known.
    """

    name: str
    title: str
    ok: bool | None
    text: str
    rule: Rule
    since: float | None = None


class State(NamedTuple):
    """What is known of one thing over time; times in seconds since 1970.

    `since` is when it went wrong and `well` when that seemed over. `told` says that the owners
    know of it, `ripe` that they would if it were not night. `breaks`: it was well for long enough
    in between, and only the night kept that from being told.
    """

    since: float | None = None
    well: float | None = None
    told: bool = False
    ripe: bool = False
    text: str = ""
    breaks: bool = False

    @property
    def trouble(self) -> bool:
        """Whether it has been wrong for long enough and is not over yet."""
        return self.told or self.ripe

    def stored(self) -> dict[str, Any] | None:
        """What outlives a restart, as JSON; None when that is nothing."""
        if not self.trouble:
            return None
        return {key: value for key, value in self._asdict().items() if key != "ripe"}

    @classmethod
    def read(cls, value: Any) -> State:
        """From what was stored; a fresh one when that is nothing of ours."""
        try:
            over = None if value["well"] is None else float(value["well"])
            told, breaks = bool(value["told"]), bool(value.get("breaks"))
            return cls(float(value["since"]), over, told, True, str(value["text"]), breaks)
        except (KeyError, TypeError, ValueError):
            return cls()

    def next(self, rule: Rule) -> float | None:
        """When it becomes news without a further look, as far as that can be said."""
        if self.well is not None:
            return self.well + rule.after
        return None if self.since is None or self.trouble else self.since + rule.after


def step(state: State, found: Finding, now: float, quiet: bool) -> tuple[State, News | None]:
    """What a finding makes of a state, and what is to be told now."""
    if found.ok is None:
        return state, None
    hush = quiet and not found.rule.urgent
    if found.ok:
        return _well(state, found.rule, now, hush)
    known = found.since if state.since is None else state.since
    # no later than now: what began by a clock that was ahead would have to last as much longer
    since = now if known is None else min(known, now)
    breaks = state.breaks or (state.well is not None and now - state.well >= found.rule.after)
    state = state._replace(since=since, well=None, text=found.text, breaks=breaks)
    if state.told or now - since < found.rule.after:
        return state, None
    if hush or found.rule.afterwards:
        return state._replace(ripe=True), None
    told = state._replace(told=True, ripe=True)
    return told, News("trouble", since, now, state.text, breaks)


def _well(state: State, rule: Rule, now: float, hush: bool) -> tuple[State, News | None]:
    if not state.trouble or state.since is None:
        return State(), None
    over = now if state.well is None else min(state.well, now)
    if hush or now - over < rule.after:
        return state._replace(well=over), None
    since = min(state.since, over)
    word: Literal["well", "past"] = "well" if state.told else "past"
    return State(), News(word, since, over, state.text, state.breaks)
