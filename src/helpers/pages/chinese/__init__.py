"""The Chinese edition: what was executed once is staged a second time, with Chinese words.

Prose has counterparts block by block in book/zh (`blocks`); what Python makes (labels of figures, cells of
tables, glued words) is looked up in data/words.yml (`words`). What has no current translation stays English.
"""
