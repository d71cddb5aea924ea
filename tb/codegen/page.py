# SPDX-License-Identifier: Apache-2.0
"""The register map as a Markdown page."""

from __future__ import annotations

from tb.codegen.regmap import ACCESSES, SOURCE, Field, Map, Register


def _bits(item: Field) -> str:
    return str(item.lsb) if item.width == 1 else f"{item.lsb + item.width - 1}:{item.lsb}"


def _rows(registers: tuple[Register, ...] | list[Register], base: str) -> list[str]:
    out = ["| address | name | access | reset | meaning |", "| --- | --- | --- | --- | --- |"]
    for r in registers:
        reset = "build" if r.reset is None else (f"0x{r.reset:X}" if r.reset > 9 else str(r.reset))
        where = f"{base}0x{r.offset:03X}" if not base else f"{base}0x{r.offset:02X}"
        if r.width == 64:
            where += ", +4"
        bits = "" if r.bits == r.width else f" {r.bits} bits."
        meaning = f"{' '.join(r.description.split())}{bits}"
        out.append(f"| `{where}` | `{r.name}` | {r.access} | {reset} | {meaning} |")
    return out


def markdown(regmap: Map) -> str:
    """The page `docs/registers.md`."""
    plain = [r for r in regmap.registers if r.width == 32]
    counters = [r for r in regmap.registers if r.width == 64]
    out = [
        "# Registers",
        "",
        f"`scripts/gen_registers.py` writes this page from `{SOURCE}`. Edit that file.",
        "",
        f"The bus is AXI4-Lite with {regmap.address_bits} address bits and 32-bit little-endian",
        "words. Ports, streams and the DRAM layout are in [interfaces.md](interfaces.md).",
        "",
        "## Access",
        "",
        "| access | meaning |",
        "| --- | --- |",
    ]
    out += [f"| {name} | {meaning} |" for name, meaning in ACCESSES.items()]
    out += [
        "",
        "* A write answers SLVERR and changes nothing if the address is unmapped or read only, if",
        "  `wstrb` is not all ones, if the register is `cfg` and `STATUS.BUSY` is 1, or if the",
        "  value does not fit the register's bits (a threshold above 32767, a size above 2047).",
        "* A read of an unmapped address answers SLVERR with data 0.",
        "* Bits without a field read 0; writes to them are ignored.",
        "* A register without a table of fields is one unsigned number.",
        "* A write has taken effect when its response arrives.",
        "",
        "## Registers of the core",
        "",
    ]
    out += _rows(plain, "")
    for register in plain:
        if not register.fields:
            continue
        out += ["", f"### {register.name}", "", register.description, ""]
        out += ["| bits | field | meaning |", "| --- | --- | --- |"]
        out += [f"| {_bits(f)} | `{f.name}` | {f.description} |" for f in register.fields]
    for array in regmap.arrays:
        out += ["", f"## {array.name}: base 0x{array.base:03X}, stride 0x{array.stride:02X}", ""]
        out += [array.description, "", f"Address `0x{array.base:03X} + 0x{array.stride:02X}·l`"]
        out[-1] += f" plus the offset, layer `l` from 0 to {array.count - 1}."
        out += [""]
        out += _rows(array.registers, "+")
    out += [
        "",
        "## Performance counters",
        "",
        "The counters have 64 bits, low word first. To read them, set `PERF_CTRL.FREEZE`, read,",
        "and clear it. They continue to count through soft resets. `PERF_CTRL.CLEAR` sets all of",
        "them to 0, those of the columns included.",
        "",
    ]
    out += _rows(counters, "")
    out += ["", "## States", "", "| code | state | meaning |", "| --- | --- | --- |"]
    out += [f"| {c.code} | `{c.name}` | {c.description} |" for c in regmap.states]
    out += ["", "## Faults", "", "`ERROR.CAUSE`, and what `LAYER` and `INFO` then hold.", ""]
    out += ["| cause | name | when | layer | info |", "| --- | --- | --- | --- | --- |"]
    for c in regmap.errors:
        out.append(
            f"| {c.code} | `{c.name}` | {c.description} | {'yes' if c.layer else ''} | {c.info} |"
        )
    out += [
        "",
        "## How a driver starts the core",
        "",
        "1. Read `ID`, `VERSION`, `BUILD_PORT` and `BUILD_SIZE`. Refuse an image that is packed",
        "   for another width than `AXI_DATA_WIDTH`: the core cannot tell.",
        "2. Write `NUM_LAYERS`, `LUT_FRAC`, `TIMEOUT` and a `LAYER` block for each layer.",
        "3. Write `CTRL.START`. Poll `STATUS` until `WAIT_X` or `ERROR`, or use the `READY`",
        "   interrupt.",
        "4. Stream x in and h out. Thresholds may be written between packets.",
        "5. After `STATUS.ERROR`: read `ERROR`, write `CTRL.SOFT_RESET`, poll until `BUSY` is 0,",
        "   then continue with 2 or 3. If `ERROR` is `RESET_TIMEOUT` then, bring memory and",
        "   interconnect to rest and write `CTRL.SOFT_RESET` again.",
        "",
    ]
    return "\n".join(out)
