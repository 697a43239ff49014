"""A run shared among several processes: who judges what at the same time, so that nobody disturbs another's verdict."""
