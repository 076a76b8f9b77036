"""A scan and its region become 1688 numbers: blocks, quality, extraction, reliability (chapters 02 and 03).

In go cases (images and regions of patients); out come tables of quality and features, kept by content.
"""
