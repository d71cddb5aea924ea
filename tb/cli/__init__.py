# SPDX-License-Identifier: Apache-2.0
"""Commands: one module for each sub-command of `edgedrnn` and each file in scripts/."""
