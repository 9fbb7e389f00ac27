"""From patches to pixels: crops, blending, tiles, class maps and how sure they are."""
