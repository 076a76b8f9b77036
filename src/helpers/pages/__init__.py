"""A run becomes pages: staging, build, one file a page, leak scan, PDF.

In goes a run folder with executed notebooks; out comes the book.
"""
