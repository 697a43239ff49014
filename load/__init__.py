"""Load on the two hot operations of the API: scenarios for Locust, arrivals on a schedule, honest latencies.

Times are integers of nanoseconds on the monotonic clock (`time.monotonic_ns`) unless a name says otherwise.
"""
