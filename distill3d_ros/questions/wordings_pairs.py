"""Phrases of questions about two or three named things. Notation as in ``wordings.py``."""

from __future__ import annotations

PAIR_WORDINGS: dict[str, str] = {
    "near": """
        is {0} (near|close to|next to|beside) {1}?
        is {0} (right next to|somewhere near) {1}?
        are {0} and {1} (near each other|close together|close to each other)?
        are {0} and {1} next to each other?
        does {0} stand (near|close to|next to) {1}?
        would you say {0} is (near|close to) {1}?
        can you tell me if {0} is near {1}?
        {0} is near {1}, right?
        is {0} in the vicinity of {1}?
        HELD is {0} (by|nearby) {1}?
        HELD is {0} located close to {1}?
        HELD do {0} and {1} stand close together?
        HELD tell me whether {0} is next to {1}
        """,
    "far": """
        is {0} (far from|far away from|a long way from|nowhere near) {1}?
        are {0} and {1} (far apart|far from each other|well apart)?
        does {0} stand far from {1}?
        is there a lot of space between {0} and {1}?
        would you say {0} is far from {1}?
        can you tell me if {0} is far from {1}?
        is {0} well away from {1}?
        {0} is far from {1}, right?
        is there a big gap between {0} and {1}?
        HELD is {0} distant from {1}?
        HELD do {0} and {1} stand far apart?
        HELD tell me whether {0} is far away from {1}
        """,
    "closer": """
        which is (closer|nearer) to {0}, {1} or {2}?
        what is (closer|nearer) to {0}, {1} or {2}?
        is {1} or {2} (closer|nearer) to {0}?
        which one is closer to {0}: {1} or {2}?
        which of the two is closer to {0}, {1} or {2}?
        of {1} and {2}, which is closer to {0}?
        between {1} and {2}, which is nearer to {0}?
        {1} or {2}: which is closer to {0}?
        which stands closer to {0}, {1} or {2}?
        what's closer to {0}, {1} or {2}?
        HELD which thing lies nearer to {0}, {1} or {2}?
        HELD to {0}, which is closer, {1} or {2}?
        HELD out of {1} and {2}, which one is nearest to {0}?
        """,
    "farther": """
        which is (farther|further|further away|farther away) from {0}, {1} or {2}?
        what is (farther|further) from {0}, {1} or {2}?
        is {1} or {2} (farther|further) from {0}?
        which one is farther from {0}: {1} or {2}?
        of {1} and {2}, which is farther from {0}?
        between {1} and {2}, which is further away from {0}?
        {1} or {2}: which is farther from {0}?
        which stands further from {0}, {1} or {2}?
        HELD which of the two is more distant from {0}, {1} or {2}?
        HELD from {0}, which is farther, {1} or {2}?
        HELD out of {1} and {2}, which one is farthest from {0}?
        """,
    "touching": """
        is {0} (touching|in contact with) {1}?
        does {0} (touch|make contact with) {1}?
        are {0} and {1} (touching|in contact|touching each other|in contact with each other)?
        do {0} and {1} (touch|touch each other)?
        is there contact between {0} and {1}?
        can you see {0} touching {1}?
        would you say {0} touches {1}?
        {0} is touching {1}, right?
        can you tell me if {0} touches {1}?
        HELD does {0} come into contact with {1}?
        HELD are {0} and {1} in touch?
        HELD tell me whether {0} and {1} touch
        """,
    "on": """
        is {0} (on|on top of|upon) {1}?
        is {0} (standing|lying|resting|sitting|placed) on {1}?
        does {0} (stand|sit|rest|lie) on {1}?
        can you see {0} on {1}?
        is {1} carrying {0}?
        is {1} holding up {0}?
        has {0} been put on {1}?
        {0} is on {1}, right?
        can you tell me if {0} is on {1}?
        HELD is {0} set on top of {1}?
        HELD is {0} supported by {1}?
        HELD tell me whether {0} rests on {1}
        HELD does {1} support {0}?
        """,
    "against": """
        is {0} (leaning against|right up against|pushed against|standing against|up against) {1}?
        does {0} (lean against|stand against|rest against) {1}?
        are {0} and {1} (leaning against each other|side by side and touching)?
        is {0} leaning on {1}?
        is {0} pushed up to {1}?
        would you say {0} leans against {1}?
        {0} is against {1}, right?
        can you tell me if {0} is against {1}?
        is {0} propped against {1}?
        HELD is {0} placed against {1}?
        HELD has {0} been pushed against {1}?
        HELD tell me whether {0} is leaning against {1}
        """,
    "larger": """
        is {0} (larger|bigger) than {1}?
        is {1} smaller than {0}?
        is {0} the (larger|bigger) one compared to {1}?
        does {0} take up more space than {1}?
        compared with {1}, is {0} larger?
        is {0} larger in size than {1}?
        would you say {0} is bigger than {1}?
        does {1} take up less space than {0}?
        {0} is larger than {1}, right?
        can you tell me if {0} is bigger than {1}?
        HELD is {0} bigger in volume than {1}?
        HELD does {0} have a larger size than {1}?
        HELD tell me whether {1} is smaller than {0}
        """,
    "taller": """
        is {0} taller than {1}?
        is {0} quite a bit taller than {1}?
        is {1} (shorter|less tall) than {0}?
        is {0} the taller one compared to {1}?
        does {0} have more height than {1}?
        compared with {1}, is {0} taller?
        is {0} greater in height than {1}?
        would you say {0} is taller than {1}?
        is {1} lower in height than {0}?
        {0} is taller than {1}, right?
        can you tell me if {0} is taller than {1}?
        HELD is {1} not as tall as {0}?
        HELD does {0} have a greater height than {1}?
        HELD tell me whether {0} is taller than {1}
        """,
    "wider": """
        is {0} (wider|broader) than {1}?
        is {1} narrower than {0}?
        is {1} less wide than {0}?
        is {0} the wider one compared to {1}?
        does {0} have more width than {1}?
        compared with {1}, is {0} wider?
        is {0} greater in width than {1}?
        would you say {0} is wider than {1}?
        {0} is wider than {1}, right?
        can you tell me if {0} is wider than {1}?
        would you say {1} is narrower than {0}?
        HELD is {1} not as wide as {0}?
        HELD does {0} have a greater width than {1}?
        HELD tell me whether {0} is wider than {1}
        """,
    "left_of": """
        is {0} (left of|to the left of|on the left of|to the left side of) {1}?
        is {0} on the left side of {1}?
        does {0} (stand|lie) to the left of {1}?
        can you see {0} to the left of {1}?
        would you say {0} is left of {1}?
        {0} is left of {1}, right?
        can you tell me if {0} is to the left of {1}?
        is {0} further left than {1}?
        is {0} more to the left than {1}?
        from here, is {0} left of {1}?
        HELD is {0} located left of {1}?
        HELD is {0} farther to the left than {1}?
        HELD tell me whether {0} is on the left hand side of {1}
        """,
    "right_of": """
        is {0} (right of|to the right of|on the right of|to the right side of) {1}?
        is {0} on the right side of {1}?
        does {0} (stand|lie) to the right of {1}?
        can you see {0} to the right of {1}?
        would you say {0} is right of {1}?
        {0} is to the right of {1}, isn't it?
        can you tell me if {0} is to the right of {1}?
        is {0} further right than {1}?
        is {0} more to the right than {1}?
        from here, is {0} right of {1}?
        HELD is {0} located right of {1}?
        HELD is {0} farther to the right than {1}?
        HELD tell me whether {0} is on the right hand side of {1}
        """,
    "in_front_of": """
        is {0} in front of {1}?
        does {0} stand in front of {1}?
        is {0} (closer|nearer) to (you|me|the camera) than {1}?
        can you see {0} in front of {1}?
        would you say {0} is in front of {1}?
        is {0} standing in front of {1}?
        {0} is in front of {1}, right?
        can you tell me if {0} is in front of {1}?
        from here, is {0} in front of {1}?
        is {0} before {1}?
        is {0} nearer than {1}?
        HELD is {0} located in front of {1}?
        HELD as seen from here, is {0} in front of {1}?
        HELD tell me whether {0} is closer to the robot than {1}
        """,
    "behind": """
        is {0} behind {1}?
        does {0} stand behind {1}?
        is {0} (farther|further) from (you|me|the camera) than {1}?
        is {0} farther away than {1}?
        can you see {0} behind {1}?
        would you say {0} is behind {1}?
        is {0} standing behind {1}?
        {0} is behind {1}, right?
        can you tell me if {0} is behind {1}?
        from here, is {0} behind {1}?
        is {0} at the back of {1}?
        HELD is {0} located behind {1}?
        HELD as seen from here, is {0} behind {1}?
        HELD tell me whether {0} is further away than {1}
        """,
    "above": """
        is {0} (above|over|higher up than) {1}?
        is {0} positioned above {1}?
        does {0} (hang|sit) above {1}?
        can you see {0} above {1}?
        would you say {0} is above {1}?
        {0} is above {1}, right?
        can you tell me if {0} is above {1}?
        is {0} at a higher level than {1}?
        is {0} somewhere above {1}?
        does {0} reach over {1}?
        HELD is {0} located above {1}?
        HELD is {0} placed higher up than {1}?
        HELD tell me whether {0} is above {1}
        """,
    "below": """
        is {0} (below|lower down than) {1}?
        is {0} positioned below {1}?
        does {0} (stand|sit) below {1}?
        can you see {0} below {1}?
        would you say {0} is below {1}?
        {0} is below {1}, right?
        can you tell me if {0} is below {1}?
        is {0} at a lower level than {1}?
        is {0} somewhere below {1}?
        is {0} further down than {1}?
        HELD is {0} located below {1}?
        HELD is {0} placed lower down than {1}?
        HELD tell me whether {0} is below {1}
        """,
    "under": """
        is {0} (under|underneath|beneath) {1}?
        is {0} (standing|lying|placed) under {1}?
        does {0} (stand|lie|sit) under {1}?
        can you see {0} under {1}?
        would you say {0} is under {1}?
        {0} is under {1}, right?
        can you tell me if {0} is under {1}?
        is {0} right under {1}?
        has {0} been put under {1}?
        HELD is {0} located underneath {1}?
        HELD does {0} fit under {1} right now?
        HELD tell me whether {0} is beneath {1}
        """,
    "distance_between": """
        how far is {0} from {1}?
        how far apart are {0} and {1}?
        what is the distance between {0} and {1}?
        what is the distance from {0} to {1}?
        how far is it from {0} to {1}?
        how many metres are there between {0} and {1}?
        how far away is {0} from {1}?
        how (big|wide|large) is the gap between {0} and {1}?
        what's the gap between {0} and {1}?
        how much space is there between {0} and {1}?
        how close is {0} to {1}?
        how many meters from {0} to {1}?
        HELD how many metres separate {0} and {1}?
        HELD tell me the distance between {0} and {1}
        HELD how close together are {0} and {1}?
        """,
}
