"""Pusher: a blessed model becomes a version that a server loads, whole or not at all."""
