"""How fast the cell is: rates that stand beside their durability, their p99 and a raw ceiling of the same run.

plan.py       which combinations, how much of each
features.py   what each feature makes of machines, tasks and claims
cell.py       the benchmark's own schema, made anew for each measurement, and whether it is right afterwards
crew.py       the processes that compete; session.py is what runs in each
rivals.py     one scheduler process: prepared claims, committed one transaction after another
verdicts.py   whether what it is answered is right
ceiling.py    one raw session: the same rows without any rule
figures.py    from what the sessions did to rates, medians and shares
commit.py     the benchmark: all of it in order
host.py       where, and how busy it was
table.py      the result for people
"""
