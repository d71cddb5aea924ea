"""What every command shares: one line for a mistake, and what exit statuses mean."""

from __future__ import annotations

import argparse
from typing import NoReturn

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, without the usage text before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message} (--help explains)\n")
