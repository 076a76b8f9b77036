"""Features become a model: ranking, selection, LASSO, classifiers, nomogram (chapters 04 to 06).

In go tables of features and outcomes; out come selections, scores, models. No run folder is known here.
"""
