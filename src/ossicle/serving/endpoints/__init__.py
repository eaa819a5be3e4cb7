"""The endpoints of the server, one file for each group."""
