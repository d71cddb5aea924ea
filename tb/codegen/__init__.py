# SPDX-License-Identifier: Apache-2.0
"""Generated files: the register map in five languages, and the RTL's constants for Python."""
