"""The audit: whether every event that the target acknowledged is there, once, unchanged, and with its customer.

While a run sends, a ledger notes one byte an event (`ledger`), and a sample is watched until it can be read (`watch`).
Afterwards everything is read back over the API (`reading`, `owners`, `readback`), compared with what was sent (`sent`,
`tally`), and classified as Jepsen does (https://jepsen.io/analyses; Kingsbury & Alvaro, "Elle", VLDB 2020): lost,
phantom, duplicated, corrupted, misattributed, reordered, recovered (`judging`).
"""
