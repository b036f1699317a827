"""Which names of TFX and its family the code uses, and which columns of versions have them.

The libraries move names between releases, and an environment holds one column only. So the
names are looked up in the wheels of every lock and written down in
`tests/golden/library_names.json`, with which a test compares the code.
`make names` writes that file anew.
"""
