"""The library a detector imports: the original design's classes, over the distributed system."""
