"""`segpipe attend`: what a frozen backbone attends to, in images, folders and videos."""
