"""What came of each request: recorded in batches, folded into histograms, and into Locust's own statistics."""
