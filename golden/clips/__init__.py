# SPDX-License-Identifier: Apache-2.0
"""Spoken digits of our own, and the command that made them."""
