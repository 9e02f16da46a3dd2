"""Reading people exactly: filters, matching rules, and the snapshot that answers every filter at once."""
