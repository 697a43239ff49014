"""The wire client: HTTP/1.1 over kept-alive connections at a few microseconds of CPU a request.

`Pool` alone serves arrivals on a schedule; `WireUser` (in `load.wire.user`) is a user for any locustfile.
"""

from load.wire.origin import WireError
from load.wire.pool import Pool
from load.wire.request import RequestTemplate

__all__ = ["Pool", "RequestTemplate", "WireError"]
