# SPDX-License-Identifier: Apache-2.0
"""What the weight port did in every cycle of a run, and why it rested: read, add up, show.

`reader` reads what tb/sv/monitors/timeline_monitor.sv writes, `account` adds up, `chrome` writes a
trace for ui.perfetto.dev, `plot` draws. docs/timeline.md says what each cause means.
"""
