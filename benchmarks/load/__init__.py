"""A server under load: an open-loop client, two servers, and what they are measured with."""
