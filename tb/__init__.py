# SPDX-License-Identifier: Apache-2.0
"""The verification environment: one package, cut by role; docs/architecture.md has the map."""
