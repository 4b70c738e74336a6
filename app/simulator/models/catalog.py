"""The models a simulated server knows, with what memory and speed follow from: file size and the shape of attention.

Sizes are those of the default (Q4) files of Ollama's library; layers, heads and head sizes are those of the models'
published configurations. ``parse_model`` adds one that is not in the table.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from app.errors import ConfigurationError
from app.simulator.protocol.names import ModelName, NameInvalid


@dataclass(frozen=True, slots=True)
class Model:
    """One installed model; ``name`` is the short canonical form with its tag.

    ``num_ctx`` is that of its Modelfile: a request without one asks for it. ``revision`` counts how often its tag was
    created anew: each has weights of its own.
    """

    name: str
    family: str
    parameters: float
    file_bytes: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    embedding: int
    context_length: int
    quantization: str = "Q4_K_M"
    capabilities: tuple[str, ...] = ("completion",)
    blob: str = ""
    speed: float = 1.0
    answer_scale: float = 1.0
    num_ctx: int | None = None
    revision: int = 0

    def slots(self, num_parallel: int) -> int:
        """How many answers at once its process writes; some families can do only one."""
        return 1 if self.family in _ONE_SLOT else num_parallel

    @property
    def digest(self) -> str:
        """The manifest's digest: 64 hex digits without a prefix."""
        return hashlib.sha256(f"simulated manifest {self.name}{self._again}".encode()).hexdigest()

    @property
    def blob_digest(self) -> str:
        """The weights' digest: two names with the same ``blob`` share one runner."""
        return hashlib.sha256(f"simulated weights {self.blob or self.name}{self._again}".encode()).hexdigest()

    @property
    def _again(self) -> str:
        return f" again {self.revision}" if self.revision else ""

    @property
    def thinks(self) -> bool:
        """Whether it can think before it answers."""
        return "thinking" in self.capabilities

    @property
    def parameter_size(self) -> str:
        """As Ollama writes it: ``8.0B``."""
        return f"{self.parameters / 1e9:.1f}B"


def _gb(value: float) -> int:
    return int(value * 1e9)


_TOOLS = ("completion", "tools")
_ONE_SLOT: Final = frozenset((
    "mllama", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe",
    "nemotron_h", "nemotron_h_moe", "nemotron_h_omni",
))  # fmt: skip

MODELS: Final[dict[str, Model]] = {
    model.name: model
    for model in (
        Model("llama3.1:8b", "llama", 8.03e9, _gb(4.92), 32, 32, 8, 128, 4096, 131072, capabilities=_TOOLS),
        Model(
            "mistral:7b",
            "llama",
            7.25e9,
            _gb(4.37),
            32,
            32,
            8,
            128,
            4096,
            32768,
            capabilities=_TOOLS,
            answer_scale=0.85,
        ),
        Model(
            "qwen3:8b",
            "qwen3",
            8.19e9,
            _gb(5.23),
            36,
            32,
            8,
            128,
            4096,
            40960,
            capabilities=(*_TOOLS, "thinking"),
            answer_scale=1.2,
        ),
        Model("phi3:mini", "phi3", 3.82e9, _gb(2.18), 32, 32, 32, 96, 3072, 131072, "Q4_0", answer_scale=0.9),
        Model("gemma2:9b", "gemma2", 9.24e9, _gb(5.44), 42, 16, 8, 256, 3584, 8192, "Q4_0"),
        Model("biomistral:7b", "llama", 7.24e9, _gb(4.37), 32, 32, 8, 128, 4096, 32768, answer_scale=0.7),
        Model("codellama:7b", "llama", 6.74e9, _gb(3.83), 32, 32, 32, 128, 4096, 16384, "Q4_0", answer_scale=1.1),
        Model(
            "llama3.2:3b",
            "llama",
            3.21e9,
            _gb(2.02),
            28,
            24,
            8,
            128,
            3072,
            131072,
            capabilities=_TOOLS,
            answer_scale=0.8,
        ),
        Model("qwen2.5:14b", "qwen2", 14.8e9, _gb(8.99), 48, 40, 8, 128, 5120, 32768, capabilities=_TOOLS),
    )
}

DEFAULT_MODELS: Final = ("llama3.1:8b", "mistral:7b", "qwen3:8b")


def parse_model(text: str) -> Model:
    """A model from the table, or a new one written as ``name=<file size in GB>[/<family>][@<num_ctx>]``.

    A new one gets the shape that models of its size have. ``name=<known model>[@<num_ctx>]`` is another name for known
    weights: the two share one process. ``num_ctx`` is that of the Modelfile.

    Raises:
        ConfigurationError: neither in the table nor in one of these forms.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise _unknown(text)
    short, num_ctx = _canonical(form["name"]), int(form["num_ctx"] or 0) or None
    if form["what"] is None and short in MODELS:
        return MODELS[short]
    if form["what"] and (known := MODELS.get(_canonical(form["what"]))) is not None and not form["family"]:
        return dataclasses.replace(known, name=short, blob=known.name, num_ctx=num_ctx)
    try:
        gigabytes = float(form["what"] or "")
    except ValueError:
        gigabytes = 0.0
    if not 0.01 <= gigabytes <= 2000:
        raise _unknown(text)
    return dataclasses.replace(made_up(short, gigabytes, form["family"] or "llama"), num_ctx=num_ctx)


_FORM: Final = re.compile(r"(?P<name>[^=]*)(=(?P<what>[^/@=]*)(/(?P<family>[a-z0-9_]+))?(@(?P<num_ctx>\d{1,7}))?)?")


def _unknown(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"--models: {text!r} is not known; use {', '.join(MODELS)}, or add one as "
        "name=<file size in GB>[/<family>][@<num_ctx>] or name=<known model>[@<num_ctx>]"
    )


def _canonical(text: str) -> str:
    try:
        return ModelName.parse(text).short.lower()
    except NameInvalid:
        raise ConfigurationError(f"--models: {text!r} is not a model's name") from None


def made_up(name: str, gigabytes: float, family: str) -> Model:
    """A model of that file size: 0.6 GB per billion parameters, layers and width as is usual for its size."""
    parameters = gigabytes / 0.61 * 1e9
    layers, heads = next((shape for limit, shape in _SHAPES if gigabytes <= limit), (80, 64))
    return Model(name, family, parameters, _gb(gigabytes), layers, heads, 8, 128, heads * 128, 131072)


_SHAPES: Final = ((2.5, (28, 24)), (6.5, (32, 32)), (11.0, (48, 40)), (25.0, (64, 40)))
