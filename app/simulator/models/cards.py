"""What the simulated server runs on: cards and disks, calibrated against measured cases.

Measured: an 8B model (Q4_K_M, 4.9 GB) writes 30-50 tokens/s on an A10G and 5-10 on a CPU; three of them resident on
24 GB answer a short prompt's first token in 0.25-0.45 s; a swap takes 7-40 s, depending on the disk. The H100 is the
one of tests/data/ollama-recordings/h100. Decoding reads every weight once per token, so tokens/s = ``decode_gb_s`` /
size of the file in GB; ``decode_gb_s`` is what of the card's bandwidth is reached. Prefill is stated for an 8B model
and scales with 1 / file size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GIB: Final = 1024**3
EIGHT_B_BYTES: Final = 4_920_000_000


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU (or, with ``vram_bytes`` 0, a machine without one).

    ``vram_bytes`` is what the driver reports as free on an idle card. ``base_prompt_s`` is the fixed part of the time
    to the first token, ``first_use_s`` the extra of the first load after boot (kernels are compiled, caches are cold).
    """

    name: str
    title: str
    vram_bytes: int
    decode_gb_s: float
    prefill_tokens_s: float
    base_prompt_s: float
    first_use_s: float = 11.0
    cpu_decode_gb_s: float = 34.0
    cpu_prefill_tokens_s: float = 90.0


def _card(name: str, title: str, vram_gib: float, decode: float, prefill: float, base_s: float) -> Card:
    return Card(name, title, int(vram_gib * GIB), decode, prefill, base_s)


CARDS: Final[dict[str, Card]] = {
    card.name: card
    for card in (
        _card("a10g", "NVIDIA A10G 24 GB", 22.0, 210.0, 2200.0, 0.24),
        _card("l4", "NVIDIA L4 24 GB", 22.0, 180.0, 1900.0, 0.24),
        _card("rtx3090", "NVIDIA GeForce RTX 3090 24 GB", 23.5, 540.0, 3700.0, 0.12),
        _card("rtx4090", "NVIDIA GeForce RTX 4090 24 GB", 23.5, 640.0, 6000.0, 0.08),
        _card("a100", "NVIDIA A100 40 GB", 39.0, 700.0, 7500.0, 0.08),
        _card("a100-80", "NVIDIA A100 80 GB", 79.0, 820.0, 7500.0, 0.08),
        _card("h100", "NVIDIA H100 80 GB", 79.2, 1220.0, 14000.0, 0.012),
        _card("cpu", "no GPU", 0.0, 34.0, 90.0, 0.1),
    )
}

DISKS: Final[dict[str, float]] = {"cache": 5.0, "nvme": 0.85, "sata": 0.4, "network": 0.145}
"""GB/s that a load reads: from the page cache, a cloud's NVMe, a SATA disk, a network volume (gp3)."""
