"""`segpipe probe`: what a frozen backbone is biased to, in numbers."""
