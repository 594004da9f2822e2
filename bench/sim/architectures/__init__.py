"""Who sees what of the cell, and when: the allocators around the schedulers."""
