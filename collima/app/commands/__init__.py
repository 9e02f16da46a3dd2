"""What the commands do. Each function takes the parsed arguments and returns the exit code; only these print."""
