"""The camera node: drives, folders of pictures and bags played as camera topics."""
