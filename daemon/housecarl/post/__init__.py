"""The way out: replies handed to the smarthost, again and again until taken or refused."""

from housecarl.post.handover import Rules
from housecarl.post.lanes import Taken
from housecarl.post.pool import Bounds
from housecarl.post.post import Post

__all__ = ["Bounds", "Post", "Rules", "Taken"]
