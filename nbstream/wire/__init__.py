"""From bytes to the `Response`: framing, providers' dialects, and the fold over events."""
