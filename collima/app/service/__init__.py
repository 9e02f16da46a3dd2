"""`collima serve`: runs the declared jobs when they are due."""
