# SPDX-License-Identifier: Apache-2.0
"""Names for the types of arrays: element type only, as shapes are told by the docstrings."""

from collections.abc import Sequence
from typing import Any, SupportsInt

import numpy as np
import numpy.typing as npt

Int8s = npt.NDArray[np.int8]
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer[Any]]
"""Integers of any width."""
AnyArray = npt.NDArray[Any]
"""An array whose element type is checked as the program runs."""
Thetas = SupportsInt | Sequence[int] | Integers | None
"""Thresholds, Q8.8: one, or one per layer; None for the model's."""
