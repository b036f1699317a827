"""Lung fields: the network that finds both lungs on a film, its training and its weights."""
