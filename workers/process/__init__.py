"""What every worker process has around its tasks."""
