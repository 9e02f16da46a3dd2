"""Who is told of what, and when. What is told goes into the outbox; `collima.app.postman` takes it to the relay."""

from collima.app.telling.tell import tell, trouble, well

__all__ = ["tell", "trouble", "well"]
