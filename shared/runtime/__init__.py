"""Process furniture: settings, logging, metrics, signals."""
