"""What Platereel costs, measured against others on the same work in the same run (docs/performance.md)."""
