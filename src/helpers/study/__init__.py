"""The ground under all chapters: study file, run folder, contracts, small counts, pseudonyms.

In goes a study file; out come settings that are checked, and a folder that keeps what the chapters write.
"""
