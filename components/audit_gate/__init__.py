"""AuditGate: holds what the Auditor measured against the floors, and blesses or does not."""
