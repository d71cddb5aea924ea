# SPDX-License-Identifier: Apache-2.0
"""Named configurations of the bench: ``tb/tables/configs.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

from golden.toml_file import read_toml


class Configuration(Struct, frozen=True, forbid_unknown_fields=True):
    """A simulator, and the parameters that the bench's top is built with."""

    sim: Literal["verilator", "icarus"]
    parameters: dict[str, int]


def read_configurations(path: Path) -> dict[str, Configuration]:
    """The configurations of a file by name. Raises TomlError of one line."""
    return read_toml(path, dict[str, Configuration])
