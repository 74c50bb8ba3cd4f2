"""The way out: replies handed to the smarthost, again and again until taken or refused."""

from housecarl.post.post import Bounds, Post

__all__ = ["Bounds", "Post"]
