"""The rules, by what they look at: a small function each."""
