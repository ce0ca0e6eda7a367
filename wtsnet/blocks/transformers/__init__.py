"""What transformers of pictures share: tokens, positions, windows, and names that were published otherwise."""
