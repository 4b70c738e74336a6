"""Model servers' protocols behind one seam: ``base`` says what a backend is, the other files speak the wires."""
