"""What the command line does: run and apply with their parameters, memory and record; check and its page.

In goes a study file; out come executed notebooks, run.json, and a report of what is wrong.
"""
