"""Common data types: frames, boxes, objects, scenes, labels, and their geometry. numpy only."""
