"""Other authorization servers, measured beside Tallystick: the same work, asked for by the same load."""
