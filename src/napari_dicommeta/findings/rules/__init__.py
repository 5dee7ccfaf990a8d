"""Rules, one small function each, grouped by topic."""
