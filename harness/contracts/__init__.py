"""What a step promises, as data, from whichever form it is written in. Imports `files`."""
