"""Trees of runs, matrices and trainings that a layout describes: what their files say, and how they are judged."""
