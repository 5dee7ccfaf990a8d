"""The bytes of files, wherever they are: in a folder, in an archive, or at a URL."""
