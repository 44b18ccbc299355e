"""What every process has: settings, logging, metrics, signals."""
