"""The job kind `quarantine-digest`: one mail each morning with what was held for a person."""
