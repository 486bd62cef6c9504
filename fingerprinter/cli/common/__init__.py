"""What the commands share: options, output, records, progress."""
