"""What several commands share: options, messages, progress and signals."""
