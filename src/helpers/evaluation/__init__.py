"""Outcomes and scores become measures: AUC, cut-offs, calibration, decision curves (chapters 05 to 08).

In go arrays and tables of predictions; out come numbers with intervals. Nothing here knows a run folder.
"""
