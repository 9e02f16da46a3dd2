"""One module for each outside system. Loaded only when a configuration names its kind."""
