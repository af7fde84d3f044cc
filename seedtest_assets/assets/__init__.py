"""The asset graph, a short file an asset: read, call, write, describe."""
