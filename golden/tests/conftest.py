# SPDX-License-Identifier: Apache-2.0
"""Settings for all tests of the golden model."""

import torch

import golden.tests.fuzzing  # noqa: F401  # loads its profile

# The networks are tiny: threads would cost more than they bring, the more so beside other tests.
torch.set_num_threads(1)
