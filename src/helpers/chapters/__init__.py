"""What only one chapter needs: strict validation and controls (10), the virtual cohort (12), pitfalls (14).

In go the artifacts of a run or simulated numbers; out come the tables that the chapter shows.
"""
