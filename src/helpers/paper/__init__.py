"""What the paper prints: its values, their audit, and each beside the computed one (chapters 09 and 13).

In go data/paper and the tables of a run; out come checks and comparisons.
"""
