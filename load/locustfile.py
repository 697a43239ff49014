"""Customer search and event ingestion for Locust.

    locust -f load/locustfile.py -H https://instance.example/api --scenario search --rate 200 --run-time 60s --headless
    locust -f load/locustfile.py -H https://instance.example/api            # users, with Locust's web page

With `--rate` (or a trace) requests are sent on a schedule, an open loop; without it users wait for their answers. The
token comes from the environment (CDP_TOKEN, or CDP_EMAIL and CDP_PASSWORD). `cdp load` is the same with less to type.
"""

from locust import events

from load.node import install
from load.scenarios.people import EventLoader, Searcher  # noqa: F401 - Locust collects the classes it finds here

install(events)
