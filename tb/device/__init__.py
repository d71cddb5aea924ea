# SPDX-License-Identifier: Apache-2.0
"""Facts about the device: registers, constants, weight image, DRAM timing, driver."""
