"""An HTTP server: many adapters on one backbone, with limits that hold."""
