"""The figures of the Omega paper on our cells: what to run, how to draw it, and which of its statements hold."""
