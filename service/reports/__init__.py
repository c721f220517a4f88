"""What APIs refused: they report it, so that the audit stream has every rejected access, wherever it was rejected."""
