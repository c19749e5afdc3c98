"""What a run of drills looks like on paper: terminal, JSON, JUnit, one self-contained HTML page."""
