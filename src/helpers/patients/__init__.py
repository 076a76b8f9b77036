"""A hospital's table becomes patients: columns, cohort, Figure 1 and Table 1 (chapter 01).

In go a site's table and the study's rules; out come who was screened, who stayed and in which cohort.
"""
