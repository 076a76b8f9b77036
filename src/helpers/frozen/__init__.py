"""The frozen model: its bundle, a new hospital's patients, drift and recalibration (chapters 06 and 11).

In go fitted models or a bundle; out come scores, and what can be said about them elsewhere.
"""
