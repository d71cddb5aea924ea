# SPDX-License-Identifier: Apache-2.0
"""What the accelerator must equal, bit for bit; numpy alone.

At the top: formats (``fixed``), the integer model (``integer``, ``batch``), the model file, traces,
stimulus and timing. Sub-packages need torch or data: ``importers``, ``datasets``, ``train``,
``tuning``. Import the module you need: this package imports none of them.
"""
