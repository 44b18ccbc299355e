"""What Platereel costs, measured against others that do the same work in the same run
(docs/performance.md).
"""
