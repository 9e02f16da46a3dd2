"""One module for each kind of job. Loaded only when a configuration names its kind."""
