"""Adapters of Hugging Face's peft: read them, and write them."""
