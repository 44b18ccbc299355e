"""What is sent of a clip: ranges, playlists, evidence, endless answers."""
