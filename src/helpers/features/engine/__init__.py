"""PyRadiomics made fast: resampling, filters, texture and mesh, number by number the same.

In go arrays and SimpleITK images; out come values. Nothing of the book is imported here.
"""
