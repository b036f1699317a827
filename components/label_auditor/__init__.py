"""LabelAuditor: films whose label the films of other patients speak against."""
