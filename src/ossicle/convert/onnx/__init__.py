"""A trained run as an ONNX file: waveform in, what the head computes out."""

from ossicle.convert.onnx.write import Written, export_onnx

__all__ = ["Written", "export_onnx"]
