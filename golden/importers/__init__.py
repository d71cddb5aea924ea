"""Networks from PyTorch and ONNX, quantised into model files."""
