"""A whole cell on this host: its own PostgreSQL, schedulers and a worker, as Ray actors or plain processes.

Three processes deep: launch.py, in the caller, starts a keeper (keeper.py), which starts and tends everything
else and stops it when the caller is gone. plan.py says what is to run, state.py how others find it.
"""
