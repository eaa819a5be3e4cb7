"""What is run many times: comparisons."""
