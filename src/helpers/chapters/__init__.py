"""What only chapters need: how all of them begin and say their numbers, and tables that one of them shows.

In go the artifacts of a run or simulated numbers; out come tables and words. `artifacts` and `sentences`
serve every chapter; the others are screening (01), quality_words (02), two_readers (03), selection_tables
(04), decision_tables (08), strict validation and controls (10), the virtual cohort (12), pitfalls (14) and
real patients (15).
"""
