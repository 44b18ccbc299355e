"""What crosses a process boundary: key names, codecs, task names and payloads."""
