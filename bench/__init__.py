"""The figures of speed and memory that Collima keeps to, as ratios of one run: `make bench`."""
