"""The register map: one source, generated files that are fresh, and rules that can fail."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tb.cli import gen_registers as gen

ROOT = Path(__file__).resolve().parents[3]


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


SOURCE = (ROOT / gen.SOURCE).read_text(encoding="utf-8")


def test_generated_files_are_fresh() -> None:
    """Breaks if the source was edited and a generated file was not: compare all three."""
    assert gen.stale() == []


def test_addresses_do_not_overlap() -> None:
    """Breaks if two registers share a word: list each word of the map, 64-bit halves included."""
    words = list(gen.load().words())
    addresses = [address for _, address in words]
    assert len(words) > 100
    assert len(set(addresses)) == len(addresses)
    assert all(address % 4 == 0 and 0 <= address < 0x1000 for address in addresses)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "VERSION"', 'name = "ID"', "register ID appears twice"),
        ("offset = 0x008", "offset = 0x004", "taken by VERSION"),
        ("lsb = 16\nwidth = 16", "lsb = 15\nwidth = 16", "VERSION.MAJOR: overlaps"),
        ("stride = 0x20", "stride = 0x18", "LAYER: a block of 28 bytes exceeds"),
        ('access = "wo"', 'access = "xx"', "access 'xx' is unknown"),
        ("base = 0x100", "base = 0x0FE", "unaligned"),
        ("reset = 0x4544524E", "reset = 0x14544524E", "reset does not fit"),
        ("reset = 1\n", "", "reset: found nothing, expected a value, or build = true instead"),
        ("lsb = 16\n", "lbs = 16\n", r"field\[\d\].lsb: found nothing|lbs: found an unknown key"),
        ('code = 1\nname = "CHECK"', 'code = 0\nname = "CHECK"', "state code 0 appears twice"),
    ],
)
def test_rules_catch_a_bad_map(old: str, new: str, message: str) -> None:
    """Breaks if a rule of the map never fires: spoil the source once, expect its message."""
    assert old in SOURCE
    with pytest.raises(gen.MapError, match=message):
        gen.parse(SOURCE.replace(old, new, 1))


def test_python_names_equal_the_map() -> None:
    """Breaks if the Python module and the map part ways: addresses of each register agree."""
    names = _load(ROOT / "tb" / "device" / "registers.py", "registers_under_test")
    regmap = gen.load()
    assert {r.name: int(r) for r in names.Reg} == {r.name: r.offset for r in regmap.registers}
    assert names.layer_reg(3, names.LayerReg.THETA_H) == 0x16C
    assert names.columns_reg(2, names.ColumnsReg.COLUMNS_H) == 0x428
    assert names.Status.BUSY_INIT == 1 << 5
    assert names.Cause.SEQ_IDLE == 11
    assert names.ErrorField.unpack(0x0002_0304) == (4, 3, 2)
