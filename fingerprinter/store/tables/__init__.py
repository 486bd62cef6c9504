"""One module per table: rows in, values out."""
