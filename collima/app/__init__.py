"""The roof: configuration, wiring, report, command line. The only package that knows all the others."""
