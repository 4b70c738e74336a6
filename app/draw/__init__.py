"""Who is drawn: the rotation of models that are in memory, and the draw of a battle's contestants among them."""
