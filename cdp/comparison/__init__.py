"""Comparing runs: two runs of one kind, a run with what was accepted before, and the nights of a target.

`cells` compares contract runs, `windows` load runs, `comparable` says when two runs cannot be compared, `accepted`
keeps which runs were accepted, `history` puts the runs of a target in a row.
"""
