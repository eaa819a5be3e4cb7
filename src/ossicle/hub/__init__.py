"""Runs on the Hugging Face Hub: `hf:USER/NAME[@REVISION]`."""
