"""From a network's output arrays to typed results."""
