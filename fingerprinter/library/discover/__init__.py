"""Ways to explore a library: search by words, recommendations, playlists, clusters, the map."""
