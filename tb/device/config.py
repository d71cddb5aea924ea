# SPDX-License-Identifier: Apache-2.0
"""What a driver tells the core of a network: sizes, thresholds and addresses."""

from __future__ import annotations

from dataclasses import dataclass

from golden.model_file import Model
from tb.device.image import DramImage


@dataclass(frozen=True)
class DeviceConfig:
    """The configuration registers, each tuple with an entry for each layer.

    ``input_sizes``, ``hidden_sizes``: units. ``theta_x``, ``theta_h``: thresholds, Q8.8.
    ``addr_wx``, ``addr_wh``, ``addr_bias``: byte addresses of the regions in DRAM. ``lut_frac``:
    fraction bits of the address of the gate tables. ``port_bits``: width of the weight port that
    the regions are packed for.
    """

    lut_frac: int
    input_sizes: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    theta_x: tuple[int, ...]
    theta_h: tuple[int, ...]
    addr_wx: tuple[int, ...]
    addr_wh: tuple[int, ...]
    addr_bias: tuple[int, ...]
    port_bits: int

    @classmethod
    def of(cls, model: Model, image: DramImage) -> DeviceConfig:
        """That of a model whose weights lie in DRAM as the image has them."""
        return cls(
            lut_frac=int(model.lut_frac),
            input_sizes=tuple(map(int, model.input_sizes)),
            hidden_sizes=tuple(map(int, model.hidden_sizes)),
            theta_x=tuple(map(int, model.theta_x)),
            theta_h=tuple(map(int, model.theta_h)),
            addr_wx=tuple(map(int, image.addr_wx)),
            addr_wh=tuple(map(int, image.addr_wh)),
            addr_bias=tuple(map(int, image.addr_bias)),
            port_bits=8 * image.port_bytes,
        )

    @property
    def num_layers(self) -> int:
        """Layers of the network."""
        return len(self.hidden_sizes)
