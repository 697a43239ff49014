import gevent
from locust import User, task


class Arrivals(User):
    @task
    def t(self):
        gevent.sleep(1)
PEOPLE={}
