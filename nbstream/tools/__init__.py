"""Functions as the model's tools: schemas, calls, results, servers of tools."""
