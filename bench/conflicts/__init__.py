"""How often real schedulers meet on a real cell, beside what the simulator says of the same.

plan.py        a scenario in live seconds, and the combinations of it that are measured
cell.py        an empty cell for each, filled as the simulator fills it
machines.py    the process that serves the hollow machines
submitter.py   the process that submits the jobs, each at its time
rival.py       one scheduler process: the real loop and the real scheduler, watched
watch.py       what is noted of each attempt
figures.py     from what the processes noted to Omega's measures
predict.py     the simulator, given the measured times
benchmark.py   all of it in order
table.py, plot.py, command.py   the result for people and programs
"""
