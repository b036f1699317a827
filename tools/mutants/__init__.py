"""Do the tests notice when the code is wrong? `make mutants` changes it, one place at a time.

The changes are those of Cosmic Ray (https://cosmic-ray.readthedocs.io). Its own runner starts
Python anew for each, which takes ten seconds with TFX; here each is tried in a fork of a process
that has imported the libraries already.
"""
