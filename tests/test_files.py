"""What a person names is written as a shell would write it, and whole or not at all where that can be."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.files import written
from tests.helpers import HUNG_S

NOBODY = 65534


def put(file: Path, content: bytes = b"new") -> None:
    with written(file) as sink:
        sink.write(content)


def only(folder: Path, *names: str) -> bool:
    return sorted(file.name for file in folder.iterdir()) == sorted(names)


def test_a_new_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    with written(file) as sink:
        sink.write(b"half")
        assert not file.exists()
    assert file.read_bytes() == b"half"
    assert only(tmp_path, "votes.jsonl")


def test_a_new_file_has_the_mode_that_was_asked_for_less_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "plain")
        with written(tmp_path / "private", 0o600) as sink:
            sink.write(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


def test_what_was_there_stays_until_the_new_one_is_whole_and_after_an_error(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_bytes(b"old")

    def breaks_off() -> None:
        with written(file) as sink:
            sink.write(b"half")
            sink.flush()
            assert file.read_bytes() == b"old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks_off()
    assert file.read_bytes() == b"old"
    assert only(tmp_path, "votes.jsonl")


def test_a_replaced_file_keeps_its_mode_and_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_bytes(b"old")
    if os.geteuid() == 0:
        os.chown(file, NOBODY, NOBODY)
    file.chmod(0o664)
    before = file.stat()
    put(file)
    after = file.stat()
    assert file.read_bytes() == b"new"
    assert after.st_ino != before.st_ino, "it was replaced"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_file_whose_owner_cannot_be_kept_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_bytes(b"somebody else's")
    before = file.stat()

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchmod", refused)
    put(file)
    assert (file.read_bytes(), file.stat().st_ino) == (b"new", before.st_ino)
    assert only(tmp_path, "votes.jsonl")


def test_links_stay_and_what_they_lead_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    target, link, second = tmp_path / "disk" / "votes", tmp_path / "link", tmp_path / "second"
    link.symlink_to("disk/votes")
    second.symlink_to(link)
    put(second, b"made through a link that led nowhere")
    assert target.read_bytes() == b"made through a link that led nowhere"
    inode = target.stat().st_ino
    put(second)
    assert (target.read_bytes(), target.stat().st_ino != inode) == (b"new", True)
    assert link.is_symlink()
    assert second.is_symlink()
    assert only(tmp_path, "disk", "link", "second")
    assert only(tmp_path / "disk", "votes")


def test_a_file_with_two_names_keeps_both(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"something longer")
    second.hardlink_to(first)
    put(first)
    assert second.read_bytes() == b"new"


def test_a_fifo_gets_what_is_written_and_stays_one(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()), daemon=True)
    reader.start()
    put(fifo)
    reader.join(10)
    assert got == [b"new"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert only(tmp_path, "fifo")


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "nowhere"
    link.symlink_to(os.devnull)
    put(link)
    put(Path(os.devnull))
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert link.is_symlink()


WRITER = """
import sys
from pathlib import Path
from app.files import written
with written(Path(sys.argv[1])) as sink:
    sink.write(b"new")
"""


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "link"])
def test_standard_output_by_any_of_its_names_is_a_pipe_or_a_file_that_goes_on(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    command = [sys.executable, "-c", WRITER, str(tmp_path / "link") if name == "link" else name]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=HUNG_S).stdout == b"new"
    with (tmp_path / "out").open("wb", buffering=0) as out:
        out.write(b"before, ")
        subprocess.run(command, stdout=out, check=True, timeout=HUNG_S)
        out.write(b", after")
    assert (tmp_path / "out").read_bytes() == b"before, new, after"
    assert only(tmp_path, "link", "out")


def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name, number in (("folder", errno.EISDIR), ("loop", errno.ELOOP), ("nowhere/votes", errno.ENOENT)):
        with pytest.raises(OSError) as refused:  # noqa: PT011 - its number is looked at
            put(tmp_path / name)
        assert refused.value.errno == number
    assert only(tmp_path, "folder", "loop")


def test_a_name_as_long_as_names_may_be_is_written(tmp_path: Path) -> None:
    put(tmp_path / ("x" * 255))
    assert only(tmp_path, "x" * 255)


def test_a_file_that_is_a_mount_of_its_own_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_bytes(b"something longer")
    before = file.stat().st_ino

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    put(file)
    assert (file.read_bytes(), file.stat().st_ino) == (b"new", before)
    assert only(tmp_path, "votes.jsonl")
