"""ModelValidator: loads the exported model as a server would, before it is pushed."""
