# SPDX-License-Identifier: Apache-2.0
"""Layouts for waveform viewers, and pictures of a window of a dump for those who have none.

`catalog` says which signals belong to which stage (tb/tables/waves.toml), `moment` what to look at,
`gtkwave` and `surfer` write layouts, `diagram` makes a window that `text` and `picture` draw.
"""
