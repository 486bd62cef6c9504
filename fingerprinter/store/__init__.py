"""The database: schema, tracks, landmark postings, embeddings."""
