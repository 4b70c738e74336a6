"""/api/tags, /api/ps, /api/show, /api/version, /api/status and /api/pull: what is installed, loaded, or could be."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from app.simulator.api import wire
from app.simulator.api.native import SIMULATED
from app.simulator.engine.clock import rfc3339
from app.simulator.engine.machine import Machine
from app.simulator.models.catalog import Model
from app.simulator.protocol.errors import ServerError
from app.simulator.protocol.gojson import Fields, GoJsonError, go_loads
from app.simulator.protocol.http import Request, Response
from app.simulator.protocol.names import ModelName, NameInvalid

_PULL_BYTES_S: Final = 100e6
_PULL_STEPS: Final = 8


class Library:
    """The calls about models of one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def version(self, _request: Request, response: Response) -> None:
        """GET /api/version."""
        version = self._machine.faults.version or self._machine.config.version
        response.send(200, wire.JSON, wire.go_json({"version": version}).encode(), SIMULATED)

    async def status(self, _request: Request, response: Response) -> None:
        """GET /api/status."""
        response.send(200, wire.JSON, b'{"cloud":{"disabled":true,"source":"env"}}', SIMULATED)

    async def tags(self, _request: Request, response: Response) -> None:
        """GET /api/tags, newest first."""
        found = self._perhaps_odd([wire.tag(model, modified_at) for model, modified_at in self.dated()])
        response.send(200, wire.JSON, wire.go_json({"models": found}).encode(), SIMULATED)

    def dated(self) -> list[tuple[Model, str]]:
        """The installed models with the times at which they came, newest first."""
        when = self._machine.installed_at
        newest_first = sorted(self._machine.installed.values(), key=lambda model: when[model.name], reverse=True)
        return [(model, rfc3339(when[model.name], 545)) for model in newest_first]

    async def ps(self, _request: Request, response: Response) -> None:
        """GET /api/ps."""
        machine = self._machine
        await machine.clock.sleep(machine.faults.ps_lag_s or 0.0)
        skew = timedelta(seconds=machine.faults.clock_skew_s)
        stale = machine.clock.utc() - timedelta(seconds=90)
        entries = [
            wire.ps_entry(runner, (stale if machine.faults.ps_stale_expires else runner.shown_expiry()) + skew)
            for runner in await machine.scheduler.listed()
        ]
        response.send(200, wire.JSON, wire.go_json({"models": self._perhaps_odd(entries)}).encode(), SIMULATED)

    def _perhaps_odd(self, rows: list[dict[str, object]]) -> list[dict[str, object]]:
        if not self._machine.faults.odd_rows:
            return rows
        named = ("name", "model")
        odd = [{field: value if field in named else None for field, value in row.items()} for row in rows]
        return [{"size": 1}, *odd]

    async def show(self, request: Request, response: Response) -> None:
        """POST /api/show."""
        fields = _fields(request.body, "ShowRequest")
        called = fields.text("model") or fields.text("name")
        if not called:
            raise ServerError(400, "model is required")
        try:
            name = ModelName.parse(called)
        except NameInvalid:
            raise ServerError(400, "invalid model name") from None
        model = self._machine.find(name)
        if model is None:
            raise ServerError(404, f"model '{name.short}' not found")
        modified_at = next(when for known, when in self.dated() if known is model)
        response.send(200, wire.JSON, wire.go_json(show_body(model, modified_at)).encode(), SIMULATED)

    async def pull(self, request: Request, response: Response) -> None:
        """POST /api/pull: of names that the table knows; others fail as without a network."""
        fields = _fields(request.body, "PullRequest")
        called = fields.text("model") or fields.text("name")
        try:
            name = ModelName.parse(called)
        except NameInvalid:
            raise ServerError(400, "invalid model name") from None
        model = self._machine.known(name)
        if fields.flag("stream", True):
            await self._pull_streamed(name, model, response)
        elif model is None:
            response.send(500, wire.PLAIN_JSON, wire.error_body(_no_network(name)), SIMULATED)
        else:
            async for _line in self._pulling(model):
                pass
            response.send(200, wire.JSON, b'{"status":"success"}', SIMULATED)

    async def _pull_streamed(self, name: ModelName, model: Model | None, response: Response) -> None:
        response.start(200, wire.NDJSON, SIMULATED)
        response.write(b'{"status":"pulling manifest"}\n')
        if model is None:
            response.end(wire.error_body(_no_network(name)) + b"\n")
            return
        async for line in self._pulling(model):
            response.write(wire.go_json(line).encode() + b"\n")
        response.end()

    async def _pulling(self, model: Model) -> AsyncGenerator[dict[str, object]]:
        digest = model.blob_digest
        layer = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": model.file_bytes}
        installed = self._machine.find(ModelName.parse(model.name)) is not None
        for step in range(1 if not installed else _PULL_STEPS, _PULL_STEPS + 1):
            if not installed:
                await self._machine.clock.sleep(model.file_bytes / _PULL_BYTES_S / _PULL_STEPS)
            yield layer | {"completed": model.file_bytes * step // _PULL_STEPS}
        self._machine.install(model)
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            yield {"status": status}


def _fields(body: bytes, struct: str) -> Fields:
    if not body:
        raise ServerError(400, "missing request body")
    try:
        return Fields(go_loads(body), struct)
    except GoJsonError as error:
        raise ServerError(400, str(error)) from None


def _no_network(name: ModelName) -> str:
    url = f"https://{name.host}/v2/{name.namespace}/{name.model}/manifests/{name.tag}"
    return f'pull model manifest: Get "{url}": dial tcp: lookup {name.host} on 127.0.0.53:53: no such host'


def show_body(model: Model, modified_at: str) -> dict[str, object]:
    """What /api/show returns; the modelfile and ``model_info`` say that it is simulated."""
    parameters = [("num_ctx", str(model.num_ctx))] if model.num_ctx else []
    parameters.append(("temperature", "0.7"))
    return {
        "license": "This model is simulated: it has no weights, and its answers mean nothing.",
        "modelfile": (
            '# Modelfile generated by "ollama show"\n'
            "# To build a new Modelfile based on this, replace FROM with:\n"
            f"# FROM {model.name}\n\n"
            f"FROM /models/blobs/sha256-{model.blob_digest}\n"
            "# Simulated by Progressive Arena\n"
            "TEMPLATE {{ .Prompt }}\n" + "".join(f"PARAMETER {name} {value}\n" for name, value in parameters)
        ),
        "parameters": "\n".join(f"{name:<30} {value}" for name, value in parameters),
        "template": "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:",
        "details": wire.details(model),
        "model_info": _model_info(model),
        "tensors": _tensors(model),
        "capabilities": list(model.capabilities),
        "modified_at": modified_at,
    }


def _model_info(model: Model) -> dict[str, object]:
    arch = model.family
    info: dict[str, object] = {
        "general.architecture": arch,
        "general.file_type": 15,
        "general.parameter_count": int(model.parameters),
        "general.quantization_version": 2,
        "general.simulated": True,
        f"{arch}.attention.head_count": model.heads,
        f"{arch}.attention.head_count_kv": model.kv_heads,
        f"{arch}.attention.key_length": model.head_dim,
        f"{arch}.attention.value_length": model.head_dim,
        f"{arch}.attention.layer_norm_rms_epsilon": 0.00001,
        f"{arch}.block_count": model.layers,
        f"{arch}.context_length": model.context_length,
        f"{arch}.embedding_length": model.embedding,
        f"{arch}.feed_forward_length": model.embedding * 7 // 2,
        f"{arch}.rope.dimension_count": model.head_dim,
        f"{arch}.vocab_size": _vocabulary(model),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.scores": None,
        "tokenizer.ggml.token_type": None,
        "tokenizer.ggml.tokens": None,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    return dict(sorted(info.items()))


def _vocabulary(model: Model) -> int:
    return 32000 + int(hashlib.sha256(model.family.encode()).hexdigest()[:4], 16)


def _tensors(model: Model) -> list[dict[str, object]]:
    narrow, width, inner = model.kv_heads * model.head_dim, model.embedding, model.embedding * 7 // 2
    wide, vocabulary = model.heads * model.head_dim, _vocabulary(model)
    in_each_layer = (
        ("attn_k", [width, narrow]),
        ("attn_norm", [width]),
        ("attn_output", [wide, width]),
        ("attn_q", [width, wide]),
        ("attn_v", [width, narrow]),
        ("ffn_down", [inner, width]),
        ("ffn_gate", [width, inner]),
        ("ffn_norm", [width]),
        ("ffn_up", [width, inner]),
    )
    found = [("output", [width, vocabulary]), ("output_norm", [width]), ("token_embd", [width, vocabulary])]
    found += [(f"blk.{layer}.{name}", shape) for layer in range(model.layers) for name, shape in in_each_layer]
    return [
        {"name": f"{name}.weight", "type": "Q4_K" if len(shape) > 1 else "F32", "shape": shape} for name, shape in found
    ]
