# SPDX-License-Identifier: Apache-2.0
"""Training of delta-GRU networks (torch)."""
