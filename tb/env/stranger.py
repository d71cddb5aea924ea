"""The register bus through somebody else's master: cocotbext-axi in place of our agent."""

from __future__ import annotations

from cocotbext.axi import AxiLiteMaster


class StrangersPort:
    """Register words through cocotbext-axi's AXI4-Lite master."""

    def __init__(self, master: AxiLiteMaster) -> None:
        self.master = master

    async def write(self, address: int, data: int) -> int:
        """Write a word, return the response."""
        answer = await self.master.write(address, data.to_bytes(4, "little"))
        return int(answer.resp)

    async def read(self, address: int) -> tuple[int, int]:
        """Read a word, return (data, response)."""
        answer = await self.master.read(address, 4)
        return int.from_bytes(answer.data, "little"), int(answer.resp)
