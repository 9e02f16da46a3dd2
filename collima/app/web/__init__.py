"""The pages of `collima web`: what people reach from their digests. They parse and draw; what acts is in `jobs/`."""
