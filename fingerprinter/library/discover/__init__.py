"""Ways to discover music: text search, recommendations, playlists, clusters and the sound map."""
