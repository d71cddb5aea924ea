# SPDX-License-Identifier: Apache-2.0
"""Synthesis, place and route: area and clock of the core."""
