# SPDX-License-Identifier: Apache-2.0
"""What every command does alike: exit statuses, full disks, Ctrl-C, terminals without Unicode."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from golden.command import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    OK,
    PIPE_CLOSED,
    Parser,
    guarded,
    status_of,
)
from golden.files import move_file, save_figure, write_records, write_text
from golden.workers import workers

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, OK),
        (ValueError("a\nb"), BAD_INPUT),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), BAD_INPUT),
        (OSError(errno.ENOSPC, "No space left on device", "x"), FAILED),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FAILED),
        (RuntimeError("died"), FAILED),
        (KeyboardInterrupt(), INTERRUPTED),
        (MemoryError(), FAILED),
    ],
)
def test_exit_status(error, status, capsys):
    """Could break: a full disk told as bad input; two lines for one mistake."""

    def work():
        if error is not None:
            raise error

    assert status_of("tool", work, (RuntimeError,)) == status
    assert capsys.readouterr().err.count("\n") == (error is not None)


@pytest.mark.parametrize("main", [lambda: 1 / 0, lambda: [][0]])
def test_defect_of_ours(main):
    """Could break: a bug of the tool that passes for bad input, so that nobody reports it."""
    with pytest.raises((ZeroDivisionError, IndexError)):
        guarded("tool")(main)()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_output_in_any_encoding(encoding, monkeypatch):
    """Could break: a result lost since a terminal has no letter for it."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))

    def work():
        print("Θ = 64: 3 µs, 2 → 1, ☃", flush=True)

    assert status_of("tool", work) == OK
    shown = raw.getvalue().decode(encoding)
    expected = {"latin-1": "Theta = 64: 3 µs, 2 -> 1, ?", "ascii": "Theta = 64: 3 us, 2 -> 1, ?"}
    assert shown.strip() == expected.get(encoding, "Θ = 64: 3 µs, 2 → 1, ☃")


def test_help_in_any_encoding(monkeypatch):
    """Could break: --help of a command that names a Θ."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with pytest.raises(SystemExit) as end:
        Parser(prog="tool", description="Choose Θ.").parse_args(["--help"])
    sys.stdout.flush()
    assert not end.value.code and b"Choose Theta." in raw.getvalue()


def test_closed_pipe():
    """Could break: a traceback behind `| head -1`."""
    code = "from golden.command import status_of\n"
    code += "import sys\nsys.exit(status_of('t', lambda: [print('x' * 99) for _ in range(99999)]))"
    done = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    done.stdout.readline()
    done.stdout.close()
    assert done.stderr.read() == b"" and done.wait() == PIPE_CLOSED
    done.stderr.close()


class _FullDisk:
    """A figure whose picture does not fit."""

    def savefig(self, path, **_options):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("writer", ["text", "records", "figure", "move"])
def test_full_disk(writer, tmp_path, monkeypatch):
    """Could break: half a file in place of a whole one, or beside it, when the disk is full."""
    (tmp_path / "work").mkdir()
    path, source = tmp_path / "out.png", tmp_path / "work" / "source"
    path.write_text("old")
    source.write_text("whole")
    full = OSError(errno.ENOSPC, "No space left on device")

    def write(self, *_):
        raise full

    def copy(_source, to):
        Path(to).write_text("half")
        raise full

    monkeypatch.setattr("golden.files._write", write)
    monkeypatch.setattr("shutil.copyfile", copy)
    work = {
        "text": lambda: write_text(path, "new"),
        "records": lambda: write_records(path, [{"a": 1}]),
        "figure": lambda: save_figure(_FullDisk(), path),
        "move": lambda: move_file(source, path),
    }
    assert status_of("tool", work[writer]) == FAILED
    assert path.read_text() == "old" and source.read_text() == "whole"
    assert {one.name for one in tmp_path.iterdir()} == {"out.png", "work"}


def _begin():
    pass


def _sleep(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(60)


def test_interrupted_workers(tmp_path):
    """Could break: Ctrl-C that waits for its workers, leaves them, or prints their tracebacks."""
    code = (
        "import signal, sys, time\n"
        "from pathlib import Path\n"
        "from golden.command import status_of\n"
        "from golden.tests.test_command import interrupted_work\n"
        f"sys.exit(status_of('tool', lambda: interrupted_work(Path({str(tmp_path)!r}))))"
    )
    done = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPO,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(tmp_path.iterdir()):
        assert done.poll() is None, done.stderr.read()
        time.sleep(0.05)
    os.killpg(done.pid, signal.SIGINT)  # as a terminal does, to all of them
    said = done.stderr.read()
    assert done.wait() == INTERRUPTED and said == "tool: interrupted\n"
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)


def interrupted_work(folder):
    """What `test_interrupted_workers` interrupts."""
    with workers(2, _begin, ()) as pool:
        for one in [pool.submit(_sleep, folder) for _ in range(4)]:
            one.result()
