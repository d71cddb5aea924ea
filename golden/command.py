# SPDX-License-Identifier: Apache-2.0
"""What every command does alike: one line for a mistake, exit statuses, Ctrl-C, odd terminals."""

from __future__ import annotations

import argparse
import codecs
import errno
import functools
import os
import sys
import types
from collections.abc import Callable
from typing import Any, NoReturn

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
PIPE_CLOSED = 141
"""Exit status when the reader of the output has gone, as of a program that SIGPIPE ended."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_PLAIN = {"Θ": "Theta", "Δ": "Delta", "σ": "sigma", "µ": "u", "−": "-", "…": "...", "·": "*",
          "×": "x", "→": "->", "≤": "<=", "≥": ">=", "²": "^2"}  # fmt: skip
_HANDLER = "edgedrnn.plain"


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, without the usage text before it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        printable_streams()
        super().__init__(*args, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {' '.join(message.split())} (--help explains)\n")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_PLAIN.get(letter, "?") for letter in found), error.end


codecs.register_error(_HANDLER, _plainly)


def printable_streams() -> None:
    """From now on stdout and stderr print what their encoding lacks in plain letters: no output
    ends in a UnicodeEncodeError, whatever the locale.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and stream.errors in ("strict", "surrogateescape"):
            reconfigure(errors=_HANDLER)


def disk_full(error: BaseException) -> bool:
    """Whether an exception says that a disk, a quota or a device takes no more."""
    return isinstance(error, OSError) and error.errno in _FULL


def line_of(error: BaseException) -> str:
    """An exception's text in one line; its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def status_of(
    program: str,
    work: Callable[[], object],
    failures: tuple[type[Exception], ...] = (),
    mistakes: tuple[type[Exception], ...] = (ValueError, OSError),
) -> int:
    """Do the work of a command; its exit status, with one line on stderr unless that is 0.

    ``failures`` are run-time failures, exit status 1, as is a full disk; ``mistakes`` are bad usage
    or input, 2. Ctrl-C is 130.
    """

    def attempt() -> int:
        try:
            work()
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except failures as error:
            return _tell(program, error, FAILED)
        except mistakes as error:
            return _tell(program, error, FAILED if disk_full(error) else BAD_INPUT)
        return OK

    return guarded(program)(attempt)()


def guarded(program: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A decorator for a ``main`` that knows its own errors: what interrupts any command ends in its
    exit status and at most one line, never in a traceback.
    """

    def decorate(main: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(main)
        def guard(*args: Any, **options: Any) -> int:
            printable_streams()
            try:
                status = main(*args, **options)
                sys.stdout.flush()
            except KeyboardInterrupt:
                _end_bars()
                print(f"{program}: interrupted", file=sys.stderr)
                return INTERRUPTED
            except BrokenPipeError:
                _mute()
                return PIPE_CLOSED
            except OSError as error:
                if not disk_full(error):
                    raise
                return _tell(program, error, FAILED)
            except MemoryError:
                return _tell(program, MemoryError("found too little memory"), FAILED)
            return status

        return guard

    return decorate


def _tell(program: str, error: BaseException, status: int) -> int:
    _end_bars()
    print(f"{program}: {line_of(error)}", file=sys.stderr)
    return status


def _end_bars() -> None:
    """Take progress bars off the terminal, so that the line after them is whole."""
    bars = sys.modules.get("tqdm")
    if bars is not None:
        for bar in list(getattr(bars.tqdm, "_instances", ())):
            bar.leave = False
            bar.close()


def _mute() -> None:
    """Nobody reads stdout any more: let the flush at the end of Python go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def quiet_interrupt(program: str) -> None:
    """From now on a Ctrl-C that nobody catches, such as during imports, is one line, status 130."""

    def tell(
        kind: type[BaseException], error: BaseException, trace: types.TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(f"{program}: interrupted", file=sys.stderr, flush=True)
            os._exit(INTERRUPTED)
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = tell
