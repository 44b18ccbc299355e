"""Redis and Valkey: frames, packets, cameras, detections, events; a cluster of them, or one
server.
"""
