"""Statistics of comparisons, as pure functions of numbers: ranks, shifts, series and change points.

Nothing in here knows of runs or targets. Whatever is random is drawn from a fixed seed, so that the same numbers always
give the same answer.
"""
