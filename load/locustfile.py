"""Customer search and event ingestion for Locust.

    locust -f load/locustfile.py -H https://instance.example/api --scenario search --rate 200 --run-time 60s --headless
    locust -f load/locustfile.py -H https://instance.example/api            # users, with Locust's web page

With `--rate` (or a trace) requests are sent on a schedule, an open loop; without it users wait for their answers. The
token comes from the environment (CDP_TOKEN, or CDP_EMAIL and CDP_PASSWORD). `cdp load` is the same with less to type.
"""

import gevent
from locust import User, events, task

from load.node import install


class Someone(User):
    @task
    def t(self):
        gevent.sleep(1)

class Show:
    def progress(self, span, planned):
        print(span.to_s, span.offered, span.all.good, span.all.failed, span.all.latency.percentile(99)/1e6)
    def report(self, directory):
        from cdp.load_results import read_load_results
        run = read_load_results(directory/"results.jsonl")
        print(run.decision, run.books, run.objectives, run.health_judged)

install(events, Show())
