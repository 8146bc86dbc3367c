"""Requests and their answers over HTTP: clients, retries, what went wrong."""
