"""Files become a scan with its regions: DICOM, NIfTI, label maps, contours, grids (chapter 02).

In go the files of one patient; out come the image in HU and the six layers of T12 and L1 on one grid.
"""
