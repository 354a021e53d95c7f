"""The one semantic walk: a source becomes a graph."""
