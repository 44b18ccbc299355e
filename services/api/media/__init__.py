"""What is sent of a clip: ranges, playlists, evidence, streams."""
