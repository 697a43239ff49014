"""The work as a Locust user on FastHttpUser would write it."""

import os

from locust import FastHttpUser, constant, task

METHOD, PATH = os.environ["BENCH_METHOD"], os.environ["BENCH_PATH"]
BODY = os.environ.get("BENCH_BODY") or None
POINTER, VALUE = os.environ["BENCH_POINTER"].split("/"), int(os.environ["BENCH_VALUE"])
HEADERS = {"X-Access-Token": "t" * 40, "Accept": "application/json"}
if BODY:
    HEADERS["Content-Type"] = "application/json"


class Caller(FastHttpUser):
    """Sends the one request again and again, and checks one field of each answer."""

    wait_time = constant(0)
    insecure = True  # it verifies nothing unless it is given a context; this is the cheaper way

    @task
    def ask(self) -> None:
        with self.client.request(METHOD, PATH, data=BODY, headers=HEADERS, catch_response=True) as answer:
            value = answer.json()
            for name in POINTER:
                value = value[name]
            if value != VALUE:
                answer.failure("wrong value")
