"""The data contract, shipped as package data: `schema.pbtxt`."""
