"""Markdown to safe output. Nothing here knows widgets, IPython or the API."""
