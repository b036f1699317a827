"""Public data in one command: downloaded from its publisher, unpacked, with its licence beside it.

    python -m radiographs.fetch kermany --to DIR

`archives` says what there is, `download` resumes what broke off, `unpack` lets nothing out of its
folder, `fetching` puts a whole data set in its place or nothing.
"""
