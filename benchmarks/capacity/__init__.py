"""Capacity runs against servers whose true capacity is known."""
