"""SHAPE: success bodies as the contract describes them."""

from contracts.conventions.shape import below, shape

__all__ = ["below", "shape"]
