"""Long-running processes; a folder is a process is a container."""
