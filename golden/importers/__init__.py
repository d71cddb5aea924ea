# SPDX-License-Identifier: Apache-2.0
"""Networks from PyTorch and ONNX, quantised into model files."""
