# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all."""

import multiprocessing
import os
import stat

import pytest

from golden.files import whole_file, whole_path, write_bytes, write_text


def test_text_and_bytes(tmp_path):
    """Could break: an encoding, a second line ending, a file left beside the one asked for."""
    path = tmp_path / "page.md"
    write_text(path, "old")
    write_text(path, "Θ = 1\n")
    assert path.read_bytes() == "Θ = 1\n".encode()
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("writer", [whole_file, whole_path])
def test_failed_block(writer, tmp_path):
    """Could break: half a file in place of the old one, or scratch left behind, after an error."""
    path = tmp_path / "page.md"
    path.write_text("old")
    with pytest.raises(RuntimeError), writer(path) as scratch:
        if writer is whole_file:
            scratch.write(b"half")
        else:
            scratch.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_until_the_end(tmp_path):
    """Could break: a reader that meets an empty file while another process writes."""
    path = tmp_path / "page.md"
    path.write_text("old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_suffix_of_the_scratch_file(tmp_path):
    """Could break: a library that tells the format by the suffix, and writes another one."""
    with whole_path(tmp_path / "plot.svg") as scratch:
        assert scratch.suffix == ".svg" and scratch.parent == tmp_path
        scratch.write_text("<svg/>")
    assert (tmp_path / "plot.svg").read_text() == "<svg/>"


def test_mode_of_the_file(tmp_path):
    """Could break: results that nobody but their owner can read."""
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "whole", "")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")}
    assert len(modes) == 1


def test_missing_folder(tmp_path):
    """Could break: an error that is no OSError, so that no caller can say what is wrong."""
    with pytest.raises(OSError):
        write_text(tmp_path / "none" / "page.md", "")


def _write_often(path, letter):
    for _ in range(50):
        write_text(path, letter * 10000)


def test_two_writers(tmp_path):
    """Could break: two processes that share a scratch file and mix what they write."""
    path = tmp_path / "page.md"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            text = path.read_text()
            assert text in ("a" * 10000, "b" * 10000)
        os.sched_yield()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [path]
