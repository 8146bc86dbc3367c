"""From bytes to the `Round`: framing, providers' dialects, and the fold over events."""
