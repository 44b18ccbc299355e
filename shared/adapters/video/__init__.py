"""Pictures to packets, packets to clips (PyAV)."""
