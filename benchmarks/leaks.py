"""What the leak guard costs for each token, at chunks as a 50 ms tick makes them.

``python -m benchmarks.leaks`` prints microseconds of CPU per token for text without names (the common case), for text
full of names, for an article on the model (which names it twice in each sentence), and for the same loop without a
guard; the best of several passes, since others use the machine too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import process_time

from app.leaks.scanner import Scanner

PLAIN = (
    "Rivers bend because water erodes the outer bank and leaves sand on the inner one. Over many years a small "
    "curve grows into a meander, until the river cuts through its neck and an oxbow lake remains.\n\n"
)
NAMES = "The llama is an animal; Meta and Google are companies. Phi is a letter, granite a stone. "
OWN = "For this task people use Qwen2.5, which is small, and the paper on Qwen2.5 says how it was trained by its team. "
MODELS = ("llama3.1:8b", "mistral:7b", "qwen3:8b", "gemma2:9b", "phi3:mini", "house-model:7b")
TOKENS_A_CHUNK = (1, 4, 8)
CHARACTERS_A_TOKEN = 4
PASSES = 7


def pieces(text: str, tokens: int, total: int = 16_000) -> list[str]:
    """``text`` over and over, cut into chunks of ``tokens``."""
    size, long = tokens * CHARACTERS_A_TOKEN, text * (total * CHARACTERS_A_TOKEN // len(text) + 1)
    return [long[at : at + size] for at in range(0, len(long), size)]


def per_token_us(work: Callable[[Iterable[str]], None], chunks: list[str], tokens: int) -> float:
    """Microseconds of CPU for each token; the best pass."""
    best = float("inf")
    for _ in range(PASSES):
        began = process_time()
        work(chunks)
        best = min(best, process_time() - began)
    return best / len(chunks) / tokens * 1e6


def guarded(model: str, *, masking: bool) -> Callable[[Iterable[str]], None]:
    """Feed answers of 500 chunks to a scanner each, as a battle does."""

    def work(chunks: Iterable[str]) -> None:
        scanner = Scanner(model, masking=masking)
        for number, chunk in enumerate(chunks):
            if number % 500 == 0:
                scanner = Scanner(model, masking=masking)
            scanner.feed(chunk)

    return work


def unguarded(chunks: Iterable[str]) -> None:
    """The baseline: the same loop with a call that does nothing but join texts."""
    gathered: list[str] = []
    for number, chunk in enumerate(chunks):
        if number % 500 == 0:
            gathered.clear()
        gathered.append(chunk)


def main() -> None:
    """Print a table."""
    print("us of CPU per token      tokens a chunk: " + "".join(f"{tokens:>8}" for tokens in TOKENS_A_CHUNK))
    lines: list[tuple[str, str, Callable[[Iterable[str]], None]]] = [("no guard", PLAIN, unguarded)]
    for model in MODELS:
        lines.append((f"{model}, flag", PLAIN, guarded(model, masking=False)))
        lines.append((f"{model}, mask", PLAIN, guarded(model, masking=True)))
    lines.append(("gemma2:9b, flag, many names", NAMES, guarded("gemma2:9b", masking=False)))
    lines.append(("llama3.1:8b, mask, many names", NAMES, guarded("llama3.1:8b", masking=True)))
    lines.append(("qwen3:8b, flag, an article on Qwen", OWN, guarded("qwen3:8b", masking=False)))
    for label, text, work in lines:
        figures = (per_token_us(work, pieces(text, tokens), tokens) for tokens in TOKENS_A_CHUNK)
        print(f"{label:<40}" + "".join(f"{figure:>8.2f}" for figure in figures))


if __name__ == "__main__":
    main()
