"""Adapters from other libraries and for them: peft, transformers and ONNX."""
