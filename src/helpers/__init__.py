"""The helper package, in rooms: data pass through them from the bottom to the top, as through the chapters.

===============  ===================================================================  ============
room             what happens there                                                   chapters
===============  ===================================================================  ============
cli              the front door
commands         run, apply, check; parameters, memory, record
pages            a run becomes pages: staging, build, one file a page, leak scan      all
plots            every figure, named after what it draws                              all
pooling          what a hospital shares, and what a centre makes of many               16
frozen           the frozen model: bundle, drift, recalibration, a new hospital       06, 11
chapters         what only one chapter needs: its tables, words and controls          all
paper            what the paper prints: its values, audit, comparison                 09, 13
intake           a folder as it came becomes a study file (radbook init)
features         a scan and its regions become 1688 numbers; engine/ counts           02, 03
patients         a hospital's table becomes patients, Figure 1, Table 1               01
evaluation       outcomes and scores become measures                                  05 to 08
imaging          files become a scan with its regions                                 02
virtual          the simulated hospitals                                              12
learning         features become a model                                              04 to 06
study            the study file, the run folder, contracts, small counts, pseudonyms  all
checked_inputs   what every statistic asks of its input
errors           the one exception that users read
===============  ===================================================================  ============

A room imports only from rooms below it (contracts in pyproject.toml, held by ``make lint``).
"""
