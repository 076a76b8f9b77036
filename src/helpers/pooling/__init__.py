"""Many hospitals, one answer: what a hospital shares, and what a centre makes of it (chapter 16).

In go the share/ folders of runs; no patient, and no file of private/, comes here.
"""
