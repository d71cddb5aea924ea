# SPDX-License-Identifier: Apache-2.0
"""Compares the core with the golden model: trace, comparison, scoreboard."""
