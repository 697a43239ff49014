"""When requests are due: schedules, a timer that keeps to them, and the dispatcher between the two."""
