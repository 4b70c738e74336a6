"""Everything that can go wrong on purpose: the switches, and a script that sets them at given times.

A switch is set at start, by ``POST /_sim/faults`` while running, or by a script of lines like
``at 90 connection_refused for 30``. ``None`` and ``False`` are off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from app.errors import InvalidInput


@dataclass
class Faults:
    """The switches; all durations in simulated seconds unless they say otherwise."""

    load_fail: str | None = None
    """Loads fail with this text: ``llama-server process has terminated: <text>`` (500)."""
    load_hang: bool = False
    """Loads never end by themselves; the load timeout turns them into a 500."""
    load_oom: bool = False
    """A load runs out of memory: an automatic context is retried smaller, else all others are evicted once."""
    runtime_oom: int | None = None
    """After that many tokens: an error line in mid-stream, and every loaded model is dropped."""
    mid_stream_error: int | None = None
    """After that many tokens: an error line, the model's process is gone."""
    eof_without_done: int | None = None
    """After that many tokens: the stream ends without its last chunk, status 200 and no error."""
    token_repeat: str | None = None
    """The model repeats one token: ``old`` ends silently after 30, ``new`` with an error after 100."""
    stall_s: float | None = None
    """A pause of that length in mid-answer."""
    stall_after: int = 5
    """Where the pause of ``stall_s`` comes, in tokens."""
    slow_headers_s: float | None = None
    """Everything before the first token takes that much longer."""
    always_503: bool = False
    """Every request that needs a model is refused as if the queue was full."""
    wedge_slot: bool = False
    """A slow reader that leaves occupies its slot until the model is unloaded."""
    evict_deadlock: bool = False
    """A request with keep_alive that reaches a chosen victim undoes the eviction, which is then waited for for ever."""
    runner_stopped: bool = False
    """The next request finds its model's process dead (500); switches itself off."""
    cpu_fallback: bool = False
    """Loads find no GPU: size_vram is 0 and everything is slow."""
    ps_stale_expires: bool = False
    """/api/ps shows expiry times in the past."""
    ps_lag_s: float | None = None
    """/api/ps answers that much later."""
    odd_rows: bool = False
    """/api/tags and /api/ps begin with a row without a name, and the others have null for all but names."""
    odd_figures: bool = False
    """The last line of an answer has its counts as fractions (``12.0``) and null for its durations."""
    host_check: bool = False
    """Every request gets the 403 with an empty body that a foreign Host header gets."""
    clock_skew_s: float = 0.0
    """created_at and expires_at are off by that much."""
    version: str | None = None
    """Another version string."""
    tcp_reset: str | None = None
    """``accept``: new connections are reset; ``request``: after the request was read; ``stream``: in mid-answer."""
    connection_refused: bool = False
    """The port is closed."""
    half_open: bool = False
    """Connections are accepted and requests read, but nothing ever comes back."""
    half_line: bool = False
    """The third piece of a stream, or a whole answer, is cut in its middle, then the connection is closed."""

    def __post_init__(self) -> None:
        self._watchers: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Call back after every change by ``set`` or ``clear``."""
        self._watchers.append(changed)

    def set(self, changes: Mapping[str, object]) -> None:
        """Set switches by name; raises InvalidInput for an unknown name or a value of the wrong type."""
        for name, value in checked(changes).items():
            setattr(self, name, value)
        for changed in self._watchers:
            changed()

    def clear(self) -> None:
        """Switch everything off."""
        self.set(dict.fromkeys((switch.name for switch in fields(self)), None))

    def active(self) -> dict[str, object]:
        """The switches that are not as they are by default."""
        return {s.name: getattr(self, s.name) for s in fields(self) if getattr(self, s.name) != s.default}


_TYPES: Final = {switch.name: str(switch.type) for switch in fields(Faults)}
_DEFAULTS: Final = {switch.name: switch.default for switch in fields(Faults)}
_LONGEST: Final = 1e9  # seconds or tokens, so that times can be reckoned with
_CHOICES: Final = {"token_repeat": ("old", "new"), "tcp_reset": ("accept", "request", "stream")}


def spelled() -> str:
    """All switches as they are written on a command line."""
    return ", ".join(name + _value_form(name) for name in _TYPES)


def _value_form(name: str) -> str:
    if name in _CHOICES:
        first, *others = _CHOICES[name]
        return f"={first} (or {', '.join(others)})"
    return {"bool": "", "int": "=<n>", "float": "=<s>", "str": "=<text>"}[_TYPES[name].removesuffix(" | None")]


def checked(changes: Mapping[str, object]) -> dict[str, Any]:
    """Values that fit their switches (None: as by default); raises InvalidInput."""
    return {name: _checked(name, value) for name, value in changes.items()}


def seconds(value: object, name: str) -> float:
    """A time that was given from outside; raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST:
        raise InvalidInput(f"{name} takes seconds from 0 on, not {value!r}", field=name)
    return float(value)


def _lowest(name: str) -> float:
    return -_LONGEST if name == "clock_skew_s" else 0


def _checked(name: str, value: object) -> object:
    if name not in _TYPES:
        raise InvalidInput(f"there is no fault {name!r}; known: {', '.join(_TYPES)}", field=name)
    if value is None:
        return _DEFAULTS[name]
    wanted = _TYPES[name]
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "str": isinstance(value, str),
    }[wanted.removesuffix(" | None")]
    if not fits or (isinstance(value, int | float) and not _lowest(name) <= value <= _LONGEST):
        raise InvalidInput(f"fault {name} takes {wanted.removesuffix(' | None')}, not {value!r}", field=name)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise InvalidInput(f"fault {name} takes one of {', '.join(_CHOICES[name])}, not {value!r}", field=name)
    return value


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """Set switches at a time, and put them back after a while (``for_s`` None: never)."""

    at_s: float
    switches: tuple[tuple[str, object], ...]
    for_s: float | None = None

    @classmethod
    def parse(cls, line: str) -> ScriptedFault:
        """Read ``at 90 connection_refused for 30`` or ``at 5 mid_stream_error=3``; raises InvalidInput."""
        words = line.split()
        if len(words) not in (3, 5) or words[0] != "at" or (len(words) == 5 and words[3] != "for"):
            raise InvalidInput(f"a scripted fault reads 'at <seconds> <fault>[=<value>] [for <seconds>]', not {line!r}")
        name, _, text = words[2].partition("=")
        try:
            at_s, for_s = float(words[1]), float(words[4]) if len(words) == 5 else None
        except ValueError:
            at_s = for_s = -1.0
        if not 0 <= at_s <= _LONGEST or not 0 <= (for_s or 0.0) <= _LONGEST:
            raise InvalidInput(f"times of a scripted fault are seconds from 0 on, not as in {line!r}")
        return cls(at_s, ((name, _checked(name, parse_value(name, text))),), for_s)

    def apply(self, faults: Faults) -> None:
        """Switch on."""
        faults.set(dict(self.switches))

    def revert(self, faults: Faults) -> None:
        """Switch off."""
        faults.set(dict.fromkeys((name for name, _ in self.switches), None))


def parse_value(name: str, text: str) -> object:
    """The value of a switch as written on a command line; nothing written means True."""
    wanted = _TYPES.get(name, "str").removesuffix(" | None")
    if not text:
        return True if wanted == "bool" else text
    if wanted == "bool":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    try:
        return {"int": int, "float": float, "str": str}[wanted](text)
    except ValueError:
        return text


def split_setting(text: str) -> tuple[str, object]:
    """A switch from a command line, ``name`` or ``name=value``; what is wrong with it shows when it is set."""
    name, _, value = text.partition("=")
    return name.strip(), parse_value(name.strip(), value.strip())
