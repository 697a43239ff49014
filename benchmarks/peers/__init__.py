"""The same faults before other tools, side by side with this suite."""
