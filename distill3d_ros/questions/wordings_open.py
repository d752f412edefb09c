"""Phrases of questions about one thing or none: distances, counts, existence, names. Notation as in ``wordings.py``."""

from __future__ import annotations

OPEN_WORDINGS: dict[str, str] = {
    "left_side": """
        is {0} on (your|my|the) left?
        is {0} to (your|my|the) left?
        is {0} on the left (side|hand side)?
        is {0} to the left of (you|me|the camera)?
        do you see {0} on the left?
        can you see {0} on your left?
        does {0} stand on the left?
        would you say {0} is on the left?
        can you tell me if {0} is on the left?
        {0} is on the left, right?
        is {0} in the left half?
        HELD is {0} located on the left side?
        HELD is {0} left of the robot?
        HELD tell me whether {0} is on your left
        """,
    "right_side": """
        is {0} on (your|my|the) right?
        is {0} to (your|my|the) right?
        is {0} on the right (side|hand side)?
        is {0} to the right of (you|me|the camera)?
        do you see {0} on the right?
        can you see {0} on your right?
        does {0} stand on the right?
        would you say {0} is on the right?
        can you tell me if {0} is on the right?
        {0} is on the right, isn't it?
        is {0} in the right half?
        HELD is {0} located on the right side?
        HELD is {0} right of the robot?
        HELD tell me whether {0} is on your right
        """,
    "height_of": """
        how (tall|high) is {0}?
        what is the height of {0}?
        what's the height of {0}?
        how tall is {0} in metres?
        how many metres tall is {0}?
        what height does {0} have?
        how high is {0} from top to bottom?
        can you tell me how tall {0} is?
        how tall would you say {0} is?
        what height is {0}?
        give me the height of {0}
        how tall do you think {0} is?
        HELD tell me the height of {0}
        HELD how many metres high is {0}?
        HELD estimate the height of {0}
        """,
    "width_of": """
        how (wide|broad) is {0}?
        what is the width of {0}?
        what's the width of {0}?
        how wide is {0} in metres?
        how many metres wide is {0}?
        what width does {0} have?
        how wide is {0} from side to side?
        can you tell me how wide {0} is?
        how wide would you say {0} is?
        what width is {0}?
        give me the width of {0}
        how wide do you think {0} is?
        HELD tell me the width of {0}
        HELD how many metres broad is {0}?
        HELD estimate the width of {0}
        """,
    "distance_to": """
        how far is {0}?
        how far away is {0}?
        how far is {0} from (you|me|here|the camera)?
        what is the distance to {0}?
        what's the distance to {0}?
        how far is it to {0}?
        how many metres away is {0}?
        how many metres is it to {0}?
        at what distance is {0}?
        how close is {0}?
        how far off is {0}?
        can you tell me how far away {0} is?
        what is the distance from you to {0}?
        HELD tell me the distance to {0}
        HELD how distant is {0}?
        HELD how many meters to {0}?
        HELD how far from the robot is {0}?
        """,
    "count": """
        how many {0s} (are there|do you see|can you see|can be seen)?
        how many {0s} are (visible|in view|in the room|in the picture|in front of you)?
        how many {0s}?
        what is the number of {0s}?
        count the {0s}
        can you count the {0s}?
        tell me how many {0s} there are
        how many {0s} have you got in view?
        what number of {0s} do you see?
        HELD how many {0s} does the image show?
        HELD give me the number of {0s}
        HELD how many {0s} can you make out?
        HELD please count all the {0s} you see
        """,
    "exists": """
        is there {0a}?
        is there {0a} (here|in the room|in view|in front of you|in the picture)?
        do you see {0a}?
        can you see {0a}?
        do you see any {0s}?
        are there any {0s}?
        can you see any {0s}?
        are there any {0s} (here|in the room)?
        is {0a} visible?
        have you got {0a} in view?
        does the image show {0a}?
        is there {0a} anywhere?
        HELD are any {0s} visible?
        HELD can {0a} be seen?
        HELD does the room have {0a}?
        HELD can you spot {0a}?
        """,
    "what_is_on": """
        what is (on|on top of|upon) {0}?
        what's on {0}?
        what (stands|lies|sits|rests) on {0}?
        which thing is on {0}?
        what is standing on {0}?
        what do you see on {0}?
        what can you see on top of {0}?
        what is {0} carrying?
        what object is on {0}?
        can you tell me what is on {0}?
        what has been put on {0}?
        HELD which object rests on top of {0}?
        HELD tell me what is on {0}
        HELD what does {0} support?
        HELD name the thing on {0}
        """,
    "what_is_under": """
        what is (under|underneath|beneath) {0}?
        what's under {0}?
        what (stands|lies|sits) under {0}?
        which thing is under {0}?
        what is standing under {0}?
        what do you see under {0}?
        what can you see underneath {0}?
        what object is under {0}?
        can you tell me what is under {0}?
        what has been put under {0}?
        HELD which object lies beneath {0}?
        HELD tell me what is under {0}
        HELD name the thing under {0}
        """,
    "standing_on": """
        what is {0} (on|on top of)?
        what is {0} (standing|resting|lying|sitting) on?
        what's {0} standing on?
        what does {0} (stand|rest|sit|lie) on?
        on what does {0} stand?
        what carries {0}?
        which thing is {0} on?
        which thing does {0} stand on?
        what is carrying {0}?
        what has {0} been put on?
        can you tell me what {0} stands on?
        what object is {0} on top of?
        HELD what supports {0}?
        HELD tell me what {0} is standing on
        HELD on which object does {0} rest?
        """,
    "what_is_left_of": """
        what is (left of|to the left of|on the left of) {0}?
        what's to the left of {0}?
        what stands to the left of {0}?
        which thing is left of {0}?
        what do you see to the left of {0}?
        what can you see left of {0}?
        what is on the left side of {0}?
        what object is to the left of {0}?
        can you tell me what is left of {0}?
        what is just left of {0}?
        what's left of {0}?
        HELD which object stands on the left of {0}?
        HELD tell me what is to the left of {0}
        HELD name the thing left of {0}
        """,
    "what_is_right_of": """
        what is (right of|to the right of|on the right of) {0}?
        what's to the right of {0}?
        what stands to the right of {0}?
        which thing is right of {0}?
        what do you see to the right of {0}?
        what can you see right of {0}?
        what is on the right side of {0}?
        what object is to the right of {0}?
        can you tell me what is right of {0}?
        what is just right of {0}?
        what's right of {0}?
        HELD which object stands on the right of {0}?
        HELD tell me what is to the right of {0}
        HELD name the thing right of {0}
        """,
    "what_is_in_front_of": """
        what is in front of {0}?
        what's in front of {0}?
        what stands in front of {0}?
        which thing is in front of {0}?
        what do you see in front of {0}?
        what can you see in front of {0}?
        what is standing in front of {0}?
        what object is in front of {0}?
        can you tell me what is in front of {0}?
        what is right in front of {0}?
        what is just in front of {0}?
        which object is in front of {0}?
        HELD which object stands before {0}?
        HELD tell me what is in front of {0}
        HELD name the thing in front of {0}
        """,
    "what_is_behind": """
        what is behind {0}?
        what's behind {0}?
        what stands behind {0}?
        which thing is behind {0}?
        what do you see behind {0}?
        what can you see behind {0}?
        what is standing behind {0}?
        what object is behind {0}?
        can you tell me what is behind {0}?
        what is right behind {0}?
        what is just behind {0}?
        which object is behind {0}?
        HELD which object stands at the back of {0}?
        HELD tell me what is behind {0}
        HELD name the thing behind {0}
        """,
    "nearest_to": """
        what is (nearest|closest) to {0}?
        what's (nearest|closest) to {0}?
        what is (next to|near|beside|close to) {0}?
        which thing is (nearest|closest) to {0}?
        what stands next to {0}?
        what object is closest to {0}?
        can you tell me what is nearest to {0}?
        what do you see next to {0}?
        what is the closest thing to {0}?
        what is the nearest object to {0}?
        HELD which object lies nearest to {0}?
        HELD tell me what is next to {0}
        HELD name the thing closest to {0}
        HELD what's by {0}?
        """,
    "nearest_to_me": """
        what is (nearest|closest) to (you|me|the camera)?
        what's closest to you?
        what is the (nearest|closest) (thing|object)?
        which thing is (nearest|closest) to you?
        which object is (nearest|closest)?
        what is right in front of you?
        what is the nearest thing to you?
        what do you see closest to you?
        what object is closest to you?
        HELD tell me what is nearest to you
        HELD name the closest object
        HELD which thing is closest to the robot?
        """,
    "farthest_thing": """
        what is (farthest|furthest) from (you|me|the camera)?
        what's farthest away?
        what is the (farthest|furthest) (thing|object)?
        which thing is (farthest|furthest) away?
        which object is (farthest|furthest) from you?
        what is the most distant thing?
        what is the thing farthest away from you?
        HELD tell me what is farthest away
        HELD name the farthest object
        HELD which thing is most distant from the robot?
        """,
    "largest_thing": """
        what is the (largest|biggest) (thing|object)?
        what's the biggest thing?
        which thing is (largest|biggest)?
        which object is the (largest|biggest)?
        what is the largest thing you see?
        what is the biggest object you can see?
        what is the largest object in the room?
        which thing takes up the most space?
        can you tell me what the biggest thing is?
        HELD tell me what the largest object is
        HELD name the biggest thing
        HELD what's the largest thing in view?
        """,
    "tallest_thing": """
        what is the (tallest|highest) (thing|object)?
        what's the tallest thing?
        which thing is (tallest|highest)?
        which object is the tallest?
        what is the tallest thing you see?
        what is the tallest object you can see?
        what is the tallest object in the room?
        which thing has the most height?
        can you tell me what the tallest thing is?
        HELD tell me what the tallest object is
        HELD name the tallest thing
        HELD what's the tallest thing in view?
        """,
}
