"""The demo: competing schedulers at work on real input, with their figures at the end. show.py tells the story."""
