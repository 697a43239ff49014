"""A pool for a target of the suite."""

from __future__ import annotations

from cdp.targets import Target
from load.wire.origin import WireError
from load.wire.pool import Pool
from load.wire.tls import make_context


def open_pool(target: Target, *, max_connections: int, sample_kernel_time_every: int = 0) -> Pool:
    """A pool to a target's origin, with its timeout, its authority and client certificate.

    Raises WireError as `Pool` does, and when the target has a proxy: load does not go through one, because the proxy
    would be measured and might be harmed.
    """
    if target.proxy:
        raise WireError(
            f"target {target.name!r}: load does not go through a proxy (it would measure the proxy); "
            "take 'proxy' out of the target, or run from a machine that reaches it directly"
        )
    secure = target.origin.startswith("https:")
    return Pool(
        target.origin,
        timeout_s=target.timeout_s,
        tls=make_context(target.ca_file, target.client_cert, target.client_key) if secure else None,
        max_connections=max_connections,
        sample_kernel_time_every=sample_kernel_time_every,
    )
