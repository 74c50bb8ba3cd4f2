"""Reading messages: bytes to a `Message`, pure, with nothing proved yet."""

from housecarl.message.form import Form, gate
from housecarl.message.model import Kind, Message, Thread
from housecarl.message.reader import read, read_form
from housecarl.message.stamp import Stamp

__all__ = ["Form", "Kind", "Message", "Stamp", "Thread", "gate", "read", "read_form"]
