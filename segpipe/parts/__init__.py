"""Between stages and rooms: what two stages share, or what fills a file of its own; files and networks meet here."""
