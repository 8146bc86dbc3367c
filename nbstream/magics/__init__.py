"""`%%chat` and `%chat`, and how IPython loads them."""
