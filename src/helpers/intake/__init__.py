"""A hospital's folder as it came is looked through, and becomes a study file with its evidence.

Comes in: a folder. Goes out: what was found in it, and the text of a study file.
"""
