# SPDX-License-Identifier: Apache-2.0
"""What a device driver does with the core, over any object that reads and writes registers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tb.device import registers as regs
from tb.device.config import DeviceConfig
from tb.device.registers import Cause, Counters, Ctrl, LayerReg, PerfCtrl, Reg, State, Status

OKAY = 0


class RegisterPort(Protocol):
    """A bus master: 32-bit words at byte addresses, AXI response codes."""

    async def write(self, address: int, data: int) -> int:
        """Write a word, return the response."""

    async def read(self, address: int) -> tuple[int, int]:
        """Read a word, return (data, response)."""


class DriverError(Exception):
    """The device did not do what the driver asked."""


class NotThisDeviceError(DriverError):
    """ID or version is not that of the core this driver knows."""


class RegisterAccessError(DriverError):
    """A register answered with an error response."""


class UnsupportedModelError(DriverError):
    """The model does not fit the build parameters of the device."""


class DeviceTimeoutError(DriverError):
    """The device did not reach a state within the bound."""


@dataclass(frozen=True)
class DeviceError:
    """The ERROR register: cause, the layer and the info that go with it."""

    cause: Cause
    layer: int
    info: int


class DeviceFaultError(DriverError):
    """The device recorded a fault while the driver waited."""

    def __init__(self, error: DeviceError) -> None:
        super().__init__(f"fault {error.cause.name}, layer {error.layer}, info {error.info}")
        self.error = error


@dataclass(frozen=True)
class BuildParameters:
    """What the device says of itself. `data_width` in bits."""

    version: tuple[int, int, int]
    data_width: int
    outstanding: int
    max_layers: int
    max_units: int


@dataclass(frozen=True)
class DeviceStatus:
    """The STATUS register."""

    flags: Status
    state: State

    def __contains__(self, flag: Status) -> bool:
        return flag in self.flags


class EdgeDrnnDriver:
    """Drives one core. Call `identify` first; every method raises a DriverError when it fails.

    `polls` bounds each wait, counted in reads of STATUS. `idle_wait`, where given, is awaited
    between two polls.
    """

    def __init__(
        self,
        port: RegisterPort,
        *,
        polls: int = 20000,
        idle_wait: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self.port = port
        self.polls = polls
        self.idle_wait = idle_wait
        self.build: BuildParameters | None = None

    # ------------------------------------------------------------ words

    async def write(self, address: int, value: int) -> None:
        """Write a word; RegisterAccessError unless answered OKAY."""
        response = await self.port.write(int(address), int(value))
        if response != OKAY:
            raise RegisterAccessError(
                f"write of {int(value):#x} to {int(address):#05x} answered {response}"
            )

    async def read(self, address: int) -> int:
        """Read a word; RegisterAccessError unless answered OKAY."""
        data, response = await self.port.read(int(address))
        if response != OKAY:
            raise RegisterAccessError(f"read of {int(address):#05x} answered {response}")
        return data

    async def read64(self, address: int) -> int:
        """Read a 64-bit counter, low word first (freeze the counters around it)."""
        low = await self.read(address)
        return low | (await self.read(int(address) + 4)) << 32

    # ------------------------------------------------------------ identity and configuration

    async def identify(self) -> BuildParameters:
        """Check ID and version, read the build parameters."""
        word = await self.read(Reg.ID)
        if word != regs.ID:
            raise NotThisDeviceError(f"ID is {word:#010x}, expected {regs.ID:#010x}")
        version = regs.VersionField.unpack(await self.read(Reg.VERSION))
        if version.major != regs.VERSION[0]:
            raise NotThisDeviceError(
                f"major version is {version.major}, expected {regs.VERSION[0]}"
            )
        port = regs.BuildPortField.unpack(await self.read(Reg.BUILD_PORT))
        size = regs.BuildSizeField.unpack(await self.read(Reg.BUILD_SIZE))
        self.build = BuildParameters(
            version=(version.major, version.minor, version.patch),
            data_width=port.axi_data_width,
            outstanding=port.outstanding,
            max_layers=size.max_layers,
            max_units=size.max_units,
        )
        return self.build

    async def configure(self, config: DeviceConfig, *, timeout: int = 0) -> None:
        """Write sizes, thresholds and region addresses. `timeout`: cycles, 0 never.

        UnsupportedModelError for a network that is too large, or an image of another port width.
        """
        build = self.build or await self.identify()
        if config.port_bits != build.data_width:
            raise UnsupportedModelError(
                f"the image is packed for a weight port of {config.port_bits} bits,"
                f" the device has {build.data_width}"
            )
        if config.num_layers > build.max_layers:
            raise UnsupportedModelError(
                f"{config.num_layers} layers, the device has {build.max_layers}"
            )
        largest = max(*config.input_sizes, *config.hidden_sizes)
        if largest > build.max_units:
            raise UnsupportedModelError(f"{largest} units, the device has {build.max_units}")
        await self.write(Reg.NUM_LAYERS, config.num_layers)
        await self.write(Reg.LUT_FRAC, config.lut_frac)
        await self.write(Reg.TIMEOUT, timeout)
        for layer in range(config.num_layers):
            values = {
                LayerReg.INPUT_SIZE: config.input_sizes[layer],
                LayerReg.HIDDEN_SIZE: config.hidden_sizes[layer],
                LayerReg.THETA_X: config.theta_x[layer],
                LayerReg.THETA_H: config.theta_h[layer],
                LayerReg.ADDR_WX: config.addr_wx[layer],
                LayerReg.ADDR_WH: config.addr_wh[layer],
                LayerReg.ADDR_BIAS: config.addr_bias[layer],
            }
            for register, value in values.items():
                await self.write(regs.layer_reg(layer, register), value)

    async def set_theta(
        self, theta_x: Sequence[int] | None = None, theta_h: Sequence[int] | None = None
    ) -> None:
        """Write thresholds, Q8.8, one per layer; they hold from the next x packet on."""
        for register, values in ((LayerReg.THETA_X, theta_x), (LayerReg.THETA_H, theta_h)):
            for layer, value in enumerate(() if values is None else values):
                await self.write(regs.layer_reg(layer, register), int(value))

    # ------------------------------------------------------------ control

    async def start(self, *, wait: bool = True) -> None:
        """Open a sequence; with `wait`, return when the core waits for x."""
        await self.write(Reg.CTRL, Ctrl.START)
        if wait:
            await self.wait_ready()

    async def new_sequence(self, *, wait: bool = True) -> None:
        """Initialise the state again before the next x packet; with `wait`, until that is done."""
        await self.write(Reg.CTRL, Ctrl.NEW_SEQUENCE)
        if wait:
            await self._poll(lambda s: Status.BUSY_INIT not in s, "the new sequence")

    async def soft_reset(self, *, wait: bool = True, timeout: int | None = None) -> None:
        """Stop; with `wait`, return when the core is idle again.

        Reads that are owed and do not come within the time-out are forgotten: DeviceFaultError with
        RESET_TIMEOUT. Once memory and interconnect are at rest, a second soft reset ends in idle.
        `timeout`: cycles to be written to TIMEOUT first, 0 never; None leaves it as it is.
        """
        if timeout is not None:
            await self.write(Reg.TIMEOUT, timeout)
        await self.write(Reg.CTRL, Ctrl.SOFT_RESET)
        if wait:
            await self._poll(lambda s: Status.BUSY not in s, "idle")

    async def wait_ready(self) -> None:
        """Wait until the core waits for x; DeviceFaultError if it meets a fault instead."""
        await self._poll(lambda s: Status.WAIT_X in s, "WAIT_X")

    async def wait_error(self) -> DeviceError:
        """Wait for a fault and return it."""
        await self._poll(lambda s: Status.ERROR in s, "a fault", faults=False)
        return await self.error()

    async def status(self) -> DeviceStatus:
        """Read STATUS."""
        word = await self.read(Reg.STATUS)
        return DeviceStatus(Status(word & 0x3F), State(regs.StatusField.unpack(word).state))

    async def error(self) -> DeviceError:
        """Read ERROR."""
        fields = regs.ErrorField.unpack(await self.read(Reg.ERROR))
        return DeviceError(Cause(fields.cause), fields.layer, fields.info)

    async def _poll(
        self, done: Callable[[DeviceStatus], bool], what: str, *, faults: bool = True
    ) -> None:
        status = await self.status()
        for _ in range(self.polls):
            if faults and Status.ERROR in status:
                raise DeviceFaultError(await self.error())
            if done(status):
                return
            if self.idle_wait is not None:
                await self.idle_wait()
            status = await self.status()
        raise DeviceTimeoutError(f"{what} not reached in {self.polls} polls, state {status}")

    # ------------------------------------------------------------ counters

    async def freeze(self, on: bool = True) -> None:
        """Hold the performance counters, or let them run again."""
        await self.write(Reg.PERF_CTRL, PerfCtrl.FREEZE if on else 0)

    @property
    def parameters(self) -> BuildParameters:
        """The build, as `identify` found it; DriverError before that."""
        if self.build is None:
            raise DriverError("the build is not known: call identify first")
        return self.build

    async def clear_counters(self) -> None:
        """All performance counters to 0, and running."""
        await self.write(Reg.PERF_CTRL, PerfCtrl.CLEAR)

    async def counters(self) -> Counters:
        """All performance counters at one moment: frozen while read, then as they were."""
        build = self.build or await self.identify()
        frozen = bool(await self.read(Reg.PERF_CTRL) & PerfCtrl.FREEZE)
        await self.freeze()
        values: list[Any] = [await self.read64(register) for register in regs.COUNTERS]
        columns = [
            tuple(
                [
                    await self.read64(regs.columns_reg(layer, register))
                    for layer in range(build.max_layers)
                ]
            )
            for register in regs.LAYER_COUNTERS
        ]
        await self.freeze(frozen)
        return Counters(*values, *columns)
