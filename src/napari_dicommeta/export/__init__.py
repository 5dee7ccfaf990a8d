"""What leaves: tables, recipes."""
