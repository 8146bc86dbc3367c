"""The chat panel: a conversation as a widget."""
