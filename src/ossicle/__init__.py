"""Parameter-efficient fine-tuning of speech and audio transformers."""

__version__ = "0.1.0"
