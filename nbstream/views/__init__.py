"""The views: how a running answer is shown."""
