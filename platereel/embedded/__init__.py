"""The whole deployment on one machine: real servers from Python packages, one supervisor."""
