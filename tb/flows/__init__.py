# SPDX-License-Identifier: Apache-2.0
"""Whole jobs on the RTL: simulate a model, confirm an operating point, benchmark, demo."""
