"""The words every room speaks: frames, boxes, scenes, relations, questions. numpy only."""
