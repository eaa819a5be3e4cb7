"""What a run computes on: device, number format, processes."""
