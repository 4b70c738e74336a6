"""The built page as it lies beside this module: ``make page`` makes it, the wheel contains it, git does not.

``manifest.json`` names the assets; each has its gzip and brotli twin, so nothing is compressed while somebody waits.
An asset's name has the hash of its bytes: it never changes, and browsers need never ask for it again.
"""

from __future__ import annotations

import json
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BUILT = Path(__file__).parent / "built"

Encoding = Literal["br", "gzip"]
_SUFFIXES: tuple[tuple[Encoding, str], ...] = (("br", ".br"), ("gzip", ".gz"))

_REFUSED = re.compile(r"q=0(\.0*)?")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in all its encodings; ``plain`` is the file itself."""

    media_type: str
    plain: bytes
    encoded: dict[Encoding, bytes]

    def best(self, accepted: str) -> tuple[bytes, Encoding | None]:
        """The smallest form that the header ``Accept-Encoding`` allows."""
        allowed = _allowed(accepted)
        for encoding, _ in _SUFFIXES:
            if encoding in allowed and encoding in self.encoded:
                return self.encoded[encoding], encoding
        return self.plain, None


def _allowed(accepted: str) -> set[str]:
    """The encodings that a header takes; one with ``q=0`` is refused."""
    parts = (part.replace(" ", "").partition(";") for part in accepted.lower().split(","))
    return {name for name, _, parameters in parts if not _REFUSED.fullmatch(parameters)}


@dataclass(frozen=True, slots=True)
class BuiltPage:
    """All files of the page; ``html`` has one place, ``{{about}}``, for what the service says about itself."""

    html: str
    assets: dict[str, Asset]


def read_built(folder: Path = BUILT) -> BuiltPage | None:
    """Read the built page into memory (about 1 MB); None when nobody has built it."""
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return None
    names = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    assets = {name: _asset(folder / "assets" / name) for name in names}
    return BuiltPage((folder / "index.html").read_text(encoding="utf-8"), assets)


def _asset(path: Path) -> Asset:
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    encoded = {encoding: path.with_name(path.name + suffix).read_bytes() for encoding, suffix in _SUFFIXES}
    return Asset(media_type, path.read_bytes(), encoded)
