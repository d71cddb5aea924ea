# SPDX-License-Identifier: Apache-2.0
"""Bus agents: AXI-Lite, AXI-Stream, AXI memory, and third-party ones behind the same interface."""
