"""Code that several commands share: options, output, records and progress."""
