# SPDX-License-Identifier: Apache-2.0
"""Builds simulations and runs them."""
