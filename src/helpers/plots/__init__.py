"""Every figure, named after what it draws.

In go tables that the other rooms made; out come matplotlib figures.
"""
