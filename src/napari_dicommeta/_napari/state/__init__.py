"""State of the dock: objects with signals, without widgets."""
