# SPDX-License-Identifier: Apache-2.0
"""Thresholds: activity, operating points, sweep, search."""
